// What the screens do when they are used, and when something is wrong.
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { join } from 'node:path'
import { open, overflow, results, settled, violations } from './browser.mjs'
import { enter, village } from './people.mjs'

async function as(role, { browser, demo, people }, path) {
  const session = await open(browser)
  await enter(session.context, demo, people[role])
  await session.page.goto(demo.portal + path)
  await settled(session.page)
  return session
}

/** The code of now for a base32 secret (RFC 6238: SHA-1, 30 s, six digits). */
function totp(secret) {
  const bits = [...secret.replace(/[\s=]/g, '')]
    .map((c) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0'))
    .join('')
  const key = Buffer.from((bits.match(/.{8}/g) ?? []).map((b) => parseInt(b, 2)))
  const count = Buffer.alloc(8)
  count.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000)))
  const mac = createHmac('sha1', key).update(count).digest()
  return String((mac.readUInt32BE(mac[19] & 15) & 0x7fffffff) % 1_000_000).padStart(6, '0')
}

export const works = {
  'a value narrows the search, and the address keeps it': async (given) => {
    const { context, page } = await as('operator', given, '/events?since=7d&service=waf')
    await page.locator('[data-open]').first().click()
    await page.getByRole('button', { name: /元のアドレス が .* の記録に絞る/ }).click()
    await page.waitForURL(/only=source\.ip/)
    await settled(page)
    const address = page.url()
    const rows = await page.locator('[data-open]').count()
    assert.ok(rows > 0, 'narrowed rows')
    await page.goto(address)
    await settled(page)
    assert.equal(await page.locator('[data-open]').count(), rows, 'rows after a reload')
    await page
      .getByRole('button', { name: /の絞り込みをやめる/ })
      .first()
      .click()
    await context.close()
  },
  'the histogram has a table, and drawing over it chooses the time': async (given) => {
    const { context, page } = await as('operator', given, '/events?since=7d')
    const box = await page.locator('.u-over').boundingBox()
    await page.mouse.move(box.x + box.width * 0.7, box.y + 30)
    await page.mouse.down()
    await page.mouse.move(box.x + box.width - 2, box.y + 40, { steps: 5 })
    await page.mouse.up()
    await page.waitForURL(/from=/)
    await settled(page)
    await page.getByRole('button', { name: '表で見る' }).click()
    await page.getByRole('region', { name: '表で見る' }).waitFor()
    assert.deepEqual(await violations(page), [])
    await context.close()
  },
  'a broken query is refused in plain words, and the query stays': async (given) => {
    const { context, page } = await as('operator', given, '/events?since=1h')
    await page.locator('main [data-search]').fill('"open')
    await page.keyboard.press('Enter')
    await page.getByText('検索の書き方を読み取れません').waitFor()
    assert.equal(await page.locator('main [data-search]').inputValue(), '"open')
    await page.screenshot({ path: join(results, 'bad-query.png') })
    assert.deepEqual(await violations(page), [])
    await context.close()
  },
  'nothing found says what to do next': async (given) => {
    const { context, page } = await as('operator', given, `/events?since=15m&q=${encodeURIComponent('"no such thing anywhere"')}`)
    await page.getByText('この期間に合う記録はありません').waitFor()
    await page.screenshot({ path: join(results, 'empty.png') })
    await page.getByRole('button', { name: '30日に広げる' }).click()
    await page.waitForURL(/since=30d/)
    await context.close()
  },
  'a new person gets a first password that is shown once': async (given) => {
    const { context, page } = await as('tenant_admin', given, `/bodies/${village}/users/new`)
    await page.getByRole('button', { name: 'この人を加える' }).click()
    await page.getByText('入れてください。').first().waitFor()
    assert.deepEqual(await violations(page), [])
    await page.getByLabel('利用者ID').fill(`kimura-${Date.now()}`)
    await page.getByLabel('名前', { exact: false }).first().fill('木村 陽子')
    await page.getByRole('button', { name: 'この人を加える' }).click()
    await page.locator('[data-secret]').waitFor()
    assert.ok((await page.locator('[data-secret]').textContent()).length >= 12, 'a long password')
    await page.screenshot({ path: join(results, 'first-password-once.png') })
    assert.deepEqual(await violations(page), [])
    await context.close()
  },
  'a value that does not fit is refused beside its field': async (given) => {
    const { context, page } = await as('tenant_admin', given, `/bodies/${village}/policies/waf`)
    await page.getByRole('button', { name: '例外を加える' }).click()
    await page.getByRole('button', { name: '下書きに入れる' }).click()
    await page.getByRole('dialog').getByText('入れてください。').first().waitFor()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('ページのパス').fill('/form/')
    await dialog.getByLabel('規則の番号').fill('12')
    await dialog.getByLabel('理由').fill('ためし')
    await dialog.getByLabel('決めた人').fill('佐藤')
    await dialog.getByLabel('期限').fill(new Date(Date.now() + 20 * 86_400_000).toISOString().slice(0, 10))
    await page.screenshot({ path: join(results, 'exclusion.png') })
    assert.deepEqual(await violations(page), [])
    await page.getByRole('button', { name: '下書きに入れる' }).click()
    await page
      .getByText(/規則の番号 12 はありません/)
      .first()
      .waitFor()
    await page.screenshot({ path: join(results, 'exclusion-wrong.png') })
    await context.close()
  },
  'an event of honest use becomes the draft of an exception': async (given) => {
    const { context, page } = await as('tenant_admin', given, '/events?since=7d&service=waf')
    await page.locator('[data-open]').first().click()
    await page.getByRole('link', { name: 'この記録のページを開く' }).click()
    await page.getByRole('link', { name: '正しい利用なら、例外にする' }).click()
    await page.getByText('変更 1件').waitFor()
    await settled(page)
    assert.deepEqual(await violations(page), [])
    await page.getByRole('button', { name: '変更をやめる' }).click()
    await context.close()
  },
  'a second factor is set up with a telephone': async (given) => {
    const { context, page } = await as('vendor', given, '/account')
    await page.getByRole('button', { name: '設定を始める' }).click()
    await page.getByRole('img', { name: '認証アプリで読み取る印' }).waitFor()
    assert.deepEqual(await violations(page), [])
    await page.screenshot({ path: join(results, 'second-factor.png') })
    const secret = await page.getByText('読み取れないときの文字').locator('strong').textContent()
    await page.getByLabel('確認コード').fill(given.mock ? '123456' : totp(secret))
    await page.getByRole('button', { name: '使い始める' }).click()
    await page.getByText('回復コード').first().waitFor()
    assert.deepEqual(await violations(page), [])
    await page.screenshot({ path: join(results, 'recovery-codes.png') })
    await context.close()
  },
  'what the operator fixed cannot be changed and says why': async (given) => {
    if (!given.mock) return
    const { context, page } = await as('tenant_admin', given, `/bodies/${village}/policies/waf`)
    assert.ok(await page.getByRole('radiogroup', { name: '動かし方' }).locator('input').first().isDisabled())
    await page.getByText('弱くできません').waitFor()
    await context.close()
  },
  'a broken connection keeps the screen and says how old it is': async (given) => {
    const { context, page } = await as('operator', given, '/')
    await page.route('**/api/**', (route) => route.abort())
    await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')))
    await page
      .getByText(/の値です。つながりを確かめています/)
      .first()
      .waitFor({ timeout: 25_000 })
    assert.ok(await page.getByRole('heading', { name: '異常のない団体' }).isVisible(), 'old content stays')
    await page.screenshot({ path: join(results, 'stale.png') })
    await context.close()
  },
  'the audit chain is checked with a plain answer': async (given) => {
    const { context, page } = await as('auditor', given, '/audit')
    await page.getByRole('button', { name: '確かめる', exact: true }).click()
    await page.getByText('書き換えられていません').waitFor()
    await page.screenshot({ path: join(results, 'audit-whole.png') })
    await context.close()
  },
  'the keys have a list and a switch': async (given) => {
    const { context, page } = await as('soc', given, '/')
    await page.keyboard.press('?')
    await page.getByRole('dialog', { name: 'キーの一覧' }).waitFor()
    assert.deepEqual(await violations(page), [])
    await page.screenshot({ path: join(results, 'keys.png') })
    await page.getByLabel('1文字のキーを使う').uncheck()
    await page.keyboard.press('Escape')
    await page.keyboard.press('?')
    assert.equal(await page.getByRole('dialog').count(), 0, 'keys are off')
    await context.close()
  },
  'every screen speaks English too': async (given) => {
    const { context, page } = await as('operator', given, '/')
    await page.getByRole('button', { name: 'English' }).click()
    await page.getByRole('heading', { name: 'All bodies now' }).waitFor()
    for (const path of ['/events?since=1h', `/bodies/${village}/policies/waf`, '/settings', '/web']) {
      await page.goto(given.demo.portal + path)
      await settled(page)
      assert.deepEqual(await violations(page), [], path)
      const left = await page.evaluate(() =>
        document
          .querySelector('main')
          .innerText.split('\n')
          .filter((l) => /[\u3040-\u30ff]/.test(l)),
      )
      assert.deepEqual(
        left.filter((l) => !/ために?し|令|例外を|広域|ためし|の備考|さくら/.test(l)),
        [],
        `Japanese text on ${path}`,
      )
    }
    await page.screenshot({ path: join(results, 'english-web.png') })
    await page.goto(given.demo.portal + `/bodies/${village}/policies/waf`)
    await settled(page)
    await page.screenshot({ path: join(results, 'english-policy.png') })
    await context.close()
  },
  'the phone has a menu with every room': async (given) => {
    const { context, page } = await as('tenant_admin', given, '/')
    await page.setViewportSize({ width: 390, height: 844 })
    await page.getByRole('button', { name: 'メニュー', exact: true }).click()
    await page.getByRole('link', { name: '設定', exact: true }).waitFor()
    assert.equal(await overflow(page), '')
    assert.deepEqual(await violations(page), [])
    await page.screenshot({ path: join(results, 'phone-menu.png') })
    await page.getByRole('link', { name: '設定', exact: true }).click()
    await page.getByRole('heading', { name: '設定', level: 1 }).waitFor()
    await context.close()
  },
  'logging out ends the session': async (given) => {
    const { context, page } = await as('tenant_staff', given, '/')
    await page.getByRole('button', { name: /木村 陽子/ }).click()
    await page.getByRole('menuitem', { name: 'ログアウトする' }).click()
    await page.getByRole('heading', { name: 'ログイン' }).waitFor()
    await page.goto(given.demo.portal + '/settings')
    await page.getByRole('heading', { name: 'ログイン' }).waitFor()
    await context.close()
  },
}
