import { Radios } from 'govuk-frontend'

// Marks the page as one where the components run. The styles hide what a choice reveals only under this class,
// so without JavaScript everything is plainly visible.
export function markScriptsRunning() {
  document.body.classList.add('js-enabled', 'govuk-frontend-supported')
}

// Reveals without aria-expanded, which ARIA does not allow on a radio button.
export class RevealingRadios extends Radios {
  syncConditionalRevealWithInputState($input) {
    super.syncConditionalRevealWithInputState($input)
    $input.removeAttribute('aria-expanded')
  }
}
