// From the login to an applied change without a mouse.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { open, results, settled, violations } from './browser.mjs'
import { village } from './people.mjs'

/** Presses Tab until the focus stands on what matches. */
async function tabTo(page, selector, most = 80) {
  for (let i = 0; i < most; i++) {
    if (await page.evaluate((s) => document.activeElement?.matches(s) ?? false, selector)) return
    await page.keyboard.press('Tab')
  }
  throw new Error(`${most} times Tab did not reach ${selector}`)
}

export async function keyboardPath(browser, demo, person) {
  const { context, page, said } = await open(browser)
  const type = (text) => page.keyboard.type(text)
  const press = (key) => page.keyboard.press(key)

  await page.goto(demo.portal + '/')
  await settled(page)
  assert.deepEqual(await violations(page), [], 'the login page')
  await page.screenshot({ path: join(results, 'login.png') })
  await tabTo(page, 'input[name=login]')
  await type(person.login)
  await tabTo(page, 'input[name=password]')
  await type('not the password')
  await press('Enter')
  await page.getByRole('alert').waitFor()
  await page.screenshot({ path: join(results, 'login-wrong.png') })
  await page.locator('input[name=password]').focus()
  await press('Control+A')
  await type(person.first)
  await press('Enter')

  await page.locator('input[name=old]').waitFor()
  assert.deepEqual(await violations(page), [], 'the page for the first password')
  await page.screenshot({ path: join(results, 'first-password.png') })
  await tabTo(page, 'input[name=old]')
  await type(person.first)
  await tabTo(page, 'input[name=new]')
  await type(person.password)
  await tabTo(page, 'input[name=again]')
  await type(person.password)
  await press('Enter')
  person.changed = true
  await page.getByRole('navigation', { name: '部屋' }).waitFor()
  await settled(page)

  await press('g')
  await press('l')
  await page.waitForURL('**/events')
  await settled(page)
  await press('/')
  assert.ok(await page.evaluate(() => document.activeElement?.matches('form [data-search]')), '/ moves to the search box')
  await type('service:waf')
  await press('Enter')
  await page.waitForURL('**q=service**')
  await settled(page)
  await page.keyboard.press('Escape')
  await page.locator('main h1').focus()
  await press('j')
  await press('j')
  await press('Enter')
  const drawer = page.getByRole('complementary', { name: '詳しい内容' })
  await drawer.waitFor()
  assert.ok(await page.evaluate(() => document.activeElement?.tagName === 'H2'), 'the drawer takes the focus')
  await press('Escape')
  await drawer.waitFor({ state: 'detached' })
  await page.waitForFunction(() => document.activeElement?.hasAttribute('data-open'))
  await press('Enter')
  await drawer.waitFor()
  await tabTo(page, 'aside a[href^="/events/"]')
  await press('Enter')
  await page.waitForURL(/\/events\/[0-9a-f-]{36}$/)
  await settled(page)

  await tabTo(page, `main a[href="/bodies/${village}/policies/waf"]`)
  await press('Enter')
  await page.waitForURL('**/policies/waf')
  await page.getByRole('radiogroup', { name: '調べる厳しさ' }).waitFor()
  await settled(page)
  await page.getByRole('radiogroup', { name: '調べる厳しさ' }).locator('input:checked').focus()
  await press('ArrowRight')
  await page.getByText('まだ適用していません').or(page.getByText('先に「正しい利用かもしれない」を見てください')).waitFor()
  await page
    .locator('[aria-busy="true"]')
    .waitFor({ state: 'detached' })
    .catch(() => {})
  await page.screenshot({ path: join(results, 'policy-changing.png') })
  assert.deepEqual(await violations(page), [], 'a policy with a draft')
  const doubtful = page.locator('#doubtful button')
  if (await doubtful.isVisible().catch(() => false)) {
    await doubtful.focus()
    await press('Enter')
  }
  await page.getByRole('button', { name: '変更を適用する' }).focus()
  await press('Enter')
  const dialog = page.getByRole('dialog')
  await dialog.waitFor()
  assert.deepEqual(await violations(page), [], 'the dialog of a change')
  await page.screenshot({ path: join(results, 'policy-apply.png') })
  await tabTo(page, '[role=dialog] input[type=text]')
  await type('令8-0412')
  await press('Enter')
  await dialog.waitFor({ state: 'detached' })
  await page.getByText('版を適用しました').waitFor()
  await page.screenshot({ path: join(results, 'policy-applied.png') })
  assert.deepEqual(said, [], 'the console')
  await context.close()
}
