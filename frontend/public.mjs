import { Button, createAll, ErrorSummary, ExitThisPage, SkipLink } from 'govuk-frontend'

import { markScriptsRunning, RevealingRadios } from './common.mjs'

const LEFT = 'left'

// Empties every form for good: a reset alone would bring back what the server had written into the page.
function emptyForms() {
  for (const form of document.forms) {
    form.reset()
    for (const field of form.elements) {
      if (field.type === 'radio' || field.type === 'checkbox') {
        field.checked = false
      } else if (field.type === 'select-one') {
        field.selectedIndex = 0
      } else if (field.type !== 'hidden' && 'value' in field) {
        field.value = ''
      }
    }
  }
}

// Leaves without a way back: what was typed goes, and this page is replaced in the history.
class QuickExit extends ExitThisPage {
  exitPage() {
    document.body.classList.add('govuk-exit-this-page-hide-content')
    emptyForms()
    rememberLeaving()
    window.location.replace(this.$button.href)
  }
}

function rememberLeaving() {
  try {
    sessionStorage.setItem(LEFT, '1')
  } catch {
    // Storage may be switched off; the page is replaced all the same.
  }
}

function hasLeft() {
  try {
    return sessionStorage.getItem(LEFT) !== null
  } catch {
    return false
  }
}

// An earlier page of ours that the browser kept whole (say, the form, left by way of the privacy page) comes back empty.
window.addEventListener('pageshow', (event) => {
  if (event.persisted && hasLeft()) {
    emptyForms()
    window.location.reload()
  }
})

markScriptsRunning()
createAll(Button, { preventDoubleClick: true })
createAll(ErrorSummary)
createAll(QuickExit)
createAll(RevealingRadios)
createAll(SkipLink)
