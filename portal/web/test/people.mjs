// Makes the accounts a run needs through the API, with the demonstration's own
// token: no password is known beforehand.
import { randomBytes } from 'node:crypto'

export const chosen = () => 'ume-no-hana-' + randomBytes(6).toString('hex')

export const village = '994413'
const operator = '990001'

/** One account per role; each has its random first password still. */
export async function makePeople(request, demo) {
  const run = randomBytes(3).toString('hex')
  const soon = new Date(Date.now() + 20 * 86_400_000).toISOString()
  const wanted = [
    { role: 'operator', tenant: operator, name: '高橋 直人', section: '情報政策課' },
    { role: 'soc', tenant: operator, name: '森 恵子' },
    { role: 'auditor', tenant: operator, name: '監査 一郎' },
    { role: 'vendor', tenant: operator, name: '保守 次郎', expires_at: soon },
    { role: 'tenant_admin', tenant: village, name: '佐藤 みのり', section: '総務課' },
    { role: 'tenant_staff', tenant: village, name: '木村 陽子', section: '住民課' },
  ]
  const people = {}
  for (const { tenant, ...user } of wanted) {
    const login = `${user.role.replace('_', '-')}-${run}`
    const answer = await request.post(`${demo.api}/tenants/${tenant}/users`, {
      headers: { Authorization: `Bearer ${demo.admin.token}`, 'Idempotency-Key': randomBytes(8).toString('hex') },
      data: { login, ...user },
    })
    if (!answer.ok()) throw new Error(`adding ${login}: ${answer.status()} ${await answer.text()}`)
    people[user.role] = { login, tenant, name: user.name, first: (await answer.json()).password, password: chosen() }
  }
  return people
}

/** Logs a context in by the API and changes the first password where it still stands. */
export async function enter(context, demo, person) {
  const headers = { 'X-Sekikura-Request': '1' }
  const login = async (password) => context.request.post(`${demo.api}/session`, { headers, data: { login: person.login, password } })
  if (!person.changed) {
    const first = await login(person.first)
    if (!first.ok()) throw new Error(`first login of ${person.login}: ${first.status()} ${await first.text()}`)
    const change = await context.request.post(`${demo.api}/session/password`, {
      headers,
      data: { old: person.first, new: person.password },
    })
    if (!change.ok()) throw new Error(`first password of ${person.login}: ${change.status()} ${await change.text()}`)
    person.changed = true
  }
  const answer = await login(person.password)
  if (!answer.ok()) throw new Error(`login of ${person.login}: ${answer.status()} ${await answer.text()}`)
}
