// What every browser check stands on: a Chromium, pages that report each console
// error, and the checks that hold on any screen.
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
export const results = fileURLToPath(new URL('../test-results', import.meta.url))
mkdirSync(results, { recursive: true })

export async function launch() {
  const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium'
  if (!existsSync(executablePath)) throw new Error(`no browser at ${executablePath}: install the Debian package chromium, or set CHROMIUM`)
  return chromium.launch({
    executablePath,
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}

/** A fresh session of its own, whose pages must write nothing to the console. */
export async function open(browser, options = {}) {
  const context = await browser.newContext({
    viewport: { width: 1440, height: 900 },
    locale: 'ja-JP',
    ignoreHTTPSErrors: true,
    reducedMotion: 'reduce',
    ...options,
  })
  const page = await context.newPage()
  page.setDefaultTimeout(15_000)
  const said = []
  // What is on its way, so that a test can wait for all of it.
  page.pending = new Set()
  page.on('request', (r) => page.pending.add(r))
  for (const end of ['requestfinished', 'requestfailed']) page.on(end, (r) => page.pending.delete(r))
  page.on('console', (m) => {
    // An answer of 4xx that a test provokes is written by the browser itself.
    if (m.type() === 'error' && !/Failed to load resource/.test(m.text())) said.push(m.text())
  })
  page.on('pageerror', (e) => said.push(String(e)))
  page.on('request', (r) => {
    if (!r.url().startsWith('data:') && new URL(r.url()).host !== new URL(page.url() === 'about:blank' ? r.url() : page.url()).host)
      said.push(`a request left the portal: ${r.url()}`)
  })
  return { context, page, said }
}

/** Waits until a screen has its title and nothing is read for the first time any more. */
export async function settled(page) {
  await page.locator('h1').first().waitFor({ state: 'attached' })
  const until = Date.now() + 15_000
  for (let quiet = 0; quiet < 3 && Date.now() < until; ) {
    const busy = page.pending.size > 0 || (await page.evaluate(() => !!document.querySelector('[aria-busy="true"]')))
    quiet = busy ? 0 : quiet + 1
    await page.waitForTimeout(25)
  }
  await page.evaluate(() => document.fonts.ready)
}

export async function violations(page) {
  await page
    .evaluate((source) => {
      // The policy forbids inline scripts, so the checker comes in by the debugger.
      if (!window.axe) new Function(source)()
    }, axe)
    .catch(async () => page.evaluate(axe))
  const found = await page.evaluate(() =>
    window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }),
  )
  return found.violations.map(
    (v) =>
      `${v.id}: ${v.help} (${v.nodes
        .slice(0, 3)
        .map((n) => n.target.join(' '))
        .join('; ')})`,
  )
}

/** Goes to another screen as a link does, without loading the page anew. */
export async function visit(page, path) {
  await page.evaluate((to) => {
    history.pushState(null, '', to)
    window.dispatchEvent(new PopStateEvent('popstate'))
  }, path)
  await settled(page)
}

/** By how many pixels the page is wider than its window, and what sticks out. */
export async function overflow(page) {
  return page.evaluate(() => {
    const width = document.documentElement.clientWidth
    const over = document.documentElement.scrollWidth - width
    if (over <= 0) return ''
    const out = [...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > width + 1).slice(0, 4)
    return `${over}px: ${out.map((e) => e.tagName.toLowerCase() + '.' + String(e.className).slice(0, 50)).join(' | ')}`
  })
}
