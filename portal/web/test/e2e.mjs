// Drives the built screens in a browser: against the mock of the API, or with
// --demo DIR/demo.json against the running product. Prints one line a check and
// ends with 1 when one failed.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { provoke } from './attack.mjs'
import { launch, open, overflow, results, settled, violations, visit } from './browser.mjs'
import { keyboardPath } from './keyboard.mjs'
import { start } from './mock.mjs'
import { enter, makePeople } from './people.mjs'
import { screens } from './screens.mjs'
import { works } from './works.mjs'

const { values } = parseArgs({
  options: { demo: { type: 'string' }, only: { type: 'string' }, shots: { type: 'boolean', default: false } },
})
const mock = values.demo ? null : await start()
const demo = mock?.demo ?? JSON.parse(readFileSync(values.demo, 'utf8'))
demo.portal = demo.portal.replace(/\/$/, '')
demo.api = demo.api.replace(/\/$/, '')

let passed = 0
let failed = 0
const began = Date.now()
async function check(name, run) {
  if (values.only && !name.includes(values.only)) return
  const at = Date.now()
  try {
    await run()
    passed++
    console.log(`ok   ${name} (${Date.now() - at} ms)`)
  } catch (cause) {
    failed++
    console.log(
      `FAIL ${name}\n     ${String(cause?.message ?? cause)
        .split('\n')
        .slice(0, 12)
        .join('\n     ')}`,
    )
  }
}

const browser = await launch()
try {
  const first = await open(browser)
  const people = await makePeople(first.context.request, demo)
  await provoke(first.context, demo)
  await first.context.close()

  await check('keyboard alone: log in, open an event, change a policy', () => keyboardPath(browser, demo, people.tenant_admin))

  for (const [role, list] of Object.entries(screens)) {
    const { context, page, said } = await open(browser)
    await enter(context, demo, people[role])
    await page.goto(demo.portal + '/')
    await settled(page)
    for (const { name, path } of list) {
      await check(`${role}: ${name}`, async () => {
        said.length = 0
        await page.setViewportSize({ width: 1440, height: 900 })
        await visit(page, typeof path === 'function' ? await path({ context, demo, people }) : path)
        const wrong = []
        const alert = await page
          .locator('[role="alert"]')
          .first()
          .textContent({ timeout: 50 })
          .catch(() => '')
        if (alert) wrong.push(`shows an error: ${alert}`)
        wrong.push(...(await violations(page)))
        if (values.shots) await page.screenshot({ path: join(results, `${role}-${name}.png`) })
        for (const width of [390, 320]) {
          await page.setViewportSize({ width, height: 844 })
          const over = await overflow(page)
          if (over) wrong.push(`${width} px wide: sticks out by ${over}`)
          if (values.shots && width === 390)
            await page.screenshot({
              path: join(results, `${role}-${name}-phone.png`),
              fullPage: true,
              clip: { x: 0, y: 0, width: 390, height: 2200 },
            })
        }
        wrong.push(...said.map((s) => `console: ${s}`))
        if (wrong.length) throw new Error(wrong.join('\n'))
      })
    }
    await context.close()
  }
  for (const [name, run] of Object.entries(works)) await check(name, () => run({ browser, demo, people, mock: !!mock }))
} finally {
  await browser.close()
  await mock?.stop()
}
console.log(`${passed} passed, ${failed} failed in ${Math.round((Date.now() - began) / 1000)} s; pictures in test-results/`)
process.exitCode = failed ? 1 : 0
