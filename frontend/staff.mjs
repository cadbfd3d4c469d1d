import { Button, createAll, ErrorSummary, NotificationBanner, SkipLink } from 'govuk-frontend'

import { markScriptsRunning, RevealingRadios } from './common.mjs'

const STALE_AFTER_MS = 30000
const DOUBLE_CLICK_MS = 2000
const CLOCK = new Intl.DateTimeFormat('en-GB', {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  timeZone: document.documentElement.dataset.timeZone || 'Europe/London'
})

let freshAt = performance.now()
let isPaused = false

function announce(message) {
  const status = document.querySelector('[data-announce]')
  if (status) {
    status.textContent = message
  }
}

function showNotUpdating(reason) {
  for (const banner of document.querySelectorAll('[data-not-updating]')) {
    if (banner.hidden || banner.textContent !== reason) {
      banner.textContent = reason
      banner.hidden = false
    }
  }
}

function markFresh() {
  freshAt = performance.now()
  for (const banner of document.querySelectorAll('[data-not-updating]')) {
    banner.hidden = true
  }
  for (const stamp of document.querySelectorAll('[data-updated-at]')) {
    stamp.textContent = CLOCK.format(new Date())
  }
}

// A poll that ended at another page (signed out) must never be put into this one.
function refuseOtherPages(event) {
  const { raw } = event.detail.ctx.response
  if (raw.redirected) {
    event.preventDefault()
    showNotUpdating('Not updating: you are signed out. Reload the page to sign in again.')
  } else if (raw.status >= 400) {
    showNotUpdating('Not updating: the service did not answer properly. Reload the page to try again.')
  } else {
    markFresh()
  }
}

function refuseWhilePaused(event) {
  if (isPaused && event.detail.ctx.sourceElement.matches('[data-live]')) {
    event.preventDefault()
  }
}

function watchForStaleness() {
  const isStale = performance.now() - freshAt > STALE_AFTER_MS
  if (isStale && !isPaused && document.querySelector('[data-live]')) {
    showNotUpdating('Not updating: no answer from the service. What you see may be out of date.')
  }
}

function togglePause(button) {
  isPaused = !isPaused
  button.setAttribute('aria-pressed', String(isPaused))
  button.textContent = isPaused ? 'Resume updates' : 'Pause updates'
  freshAt = performance.now()
  announce(isPaused ? 'Updates are paused' : 'Updates are on')
}

async function copyText(button) {
  try {
    await navigator.clipboard.writeText(button.dataset.copy)
    announce('Copied')
    button.textContent = 'Copied'
  } catch {
    announce('Could not copy. Select the number and copy it by hand.')
    button.textContent = 'Could not copy'
  }
}

const hasPasskeys = Boolean(window.PublicKeyCredential?.parseRequestOptionsFromJSON)

// The browser asks for a finger, face or PIN; the answer goes with the form the button is in.
async function usePasskey(button) {
  const { passkeyGet, passkeyCreate, passkeyField } = button.dataset
  const state = button.form.querySelector('[data-passkey-state]')
  if (passkeyCreate && !button.form.elements.name.value.trim()) {
    button.form.submit()
    return
  }
  state.textContent = ''
  try {
    const credential = passkeyCreate
      ? await navigator.credentials.create({
          publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(JSON.parse(passkeyCreate))
        })
      : await navigator.credentials.get({
          publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(JSON.parse(passkeyGet))
        })
    button.form.elements[passkeyField].value = JSON.stringify(credential.toJSON())
    button.form.submit()
  } catch {
    state.textContent = 'No passkey was used. Try again, or go on without one.'
  }
}

function elapsed(since) {
  const seconds = Math.max(0, Math.floor((Date.now() - Date.parse(since)) / 1000))
  const minutes = Math.floor(seconds / 60)
  const pad = (number) => String(number).padStart(2, '0')
  return minutes < 60
    ? `${pad(minutes)}:${pad(seconds % 60)}`
    : `${Math.floor(minutes / 60)}:${pad(minutes % 60)}:${pad(seconds % 60)}`
}

function moveTimers() {
  for (const timer of document.querySelectorAll('[data-since]')) {
    timer.textContent = elapsed(timer.dataset.since)
  }
}

// One listener for the page: buttons inside a live region come and go with each poll.
function handleClick(event) {
  const button = event.target instanceof Element && event.target.closest('button')
  if (button && button.matches('[data-copy]')) {
    copyText(button)
  } else if (button && button.matches('[data-pause]')) {
    togglePause(button)
  } else if (button && button.matches('[data-passkey-field]')) {
    usePasskey(button)
  }
}

const warning = document.querySelector('[data-warned-after]')
let usedAt = Date.now()

const SIGNED_OUT = 'You are signed out. If you send a form now, it is kept and you can send it on once you sign in again.'

// Counted by the clock, not by a timer: a laptop that slept is warned as soon as it wakes.
function warnBeforeSignOut() {
  if (warning) {
    const unusedMs = Date.now() - usedAt
    warning.hidden = unusedMs < Number(warning.dataset.warnedAfter) * 1000
    if (unusedMs >= Number(warning.dataset.overAfter) * 1000) {
      saySignedOut()
    }
  }
}

function saySignedOut() {
  const says = warning.querySelector('[data-says]')
  if (says.textContent !== SIGNED_OUT) {
    says.textContent = SIGNED_OUT
    warning.querySelector('button').hidden = true
  }
}

async function staySignedIn(event) {
  if (event.target instanceof Element && event.target.matches('[data-stay]')) {
    event.preventDefault()
    const form = event.target
    const answer = await fetch(form.action, { method: 'POST', body: new URLSearchParams(new FormData(form)) })
    if (answer.ok) {
      usedAt = Date.now()
      warnBeforeSignOut()
    } else {
      saySignedOut()
    }
  }
}

// How a call ended is chosen for the counsellor, unless they have chosen already.
function chooseSuggested() {
  const suggested = document.querySelector('[data-suggest]')
  const outcomes = [...document.querySelectorAll('input[name="outcome"]')]
  if (suggested && !outcomes.some((radio) => radio.checked)) {
    outcomes.find((radio) => radio.value === suggested.dataset.suggest)?.click()
  }
}

const submittedAt = new WeakMap()

function refuseDoubleSubmit(event) {
  const last = submittedAt.get(event.target)
  if (last !== undefined && performance.now() - last < DOUBLE_CLICK_MS) {
    event.preventDefault()
    return
  }
  submittedAt.set(event.target, performance.now())
}

markScriptsRunning()
createAll(Button)
createAll(ErrorSummary)
createAll(NotificationBanner)
createAll(RevealingRadios)
createAll(SkipLink)

document.addEventListener('click', handleClick)
document.addEventListener('submit', staySignedIn)
document.addEventListener('submit', refuseDoubleSubmit)
document.addEventListener('htmx:before:request', refuseWhilePaused)
document.addEventListener('htmx:before:response', refuseOtherPages)
document.addEventListener('htmx:error', watchForStaleness)
document.addEventListener('htmx:after:swap', moveTimers)
document.addEventListener('htmx:after:swap', chooseSuggested)
for (const control of document.querySelectorAll('[data-needs-script]')) {
  control.hidden = false
}
for (const control of document.querySelectorAll('[data-passkey-field]')) {
  control.hidden = !hasPasskeys
}
moveTimers()
setInterval(() => {
  moveTimers()
  watchForStaleness()
  warnBeforeSignOut()
}, 1000)
