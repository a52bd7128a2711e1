// A small stand-in for the product's API, with state in memory, so that the
// screens can be tried without the product. It serves the built bundle under
// the product's content security policy.
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { extname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { defaults, events as makeEvents, operator, rooms, scopes, tenants as seed } from './data.mjs'

const dist = fileURLToPath(new URL('../dist', import.meta.url))
const types = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.woff2': 'font/woff2' }
const csp = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
const password = () => randomBytes(9).toString('base64url') + 'x9'
const hash = (v) => createHash('sha256').update(JSON.stringify(v)).digest('hex')

class Refusal extends Error {
  constructor(status, code, errors) {
    super(code)
    Object.assign(this, { status, code, errors })
  }
}

/** Starts the mock; answers its address, what demo.json would say, and how to stop it. */
export async function start() {
  const now = Date.now()
  const rows = makeEvents(now)
  const tenants = seed.map((t) => ({ ...t }))
  const users = new Map()
  const sessions = new Map()
  const policies = new Map()
  const tokens = []
  const audit = []
  const jobs = new Map()
  const backups = [
    { id: 'b2', time: new Date(now - 7.5 * 3600_000).toISOString(), size: 48_200_000, kind: 'full', objects: 112, ok: true, destination: 's3://backup.example/sekikura', locked_until: new Date(now + 30 * 86_400_000).toISOString() },
    { id: 'b1', time: new Date(now - 31.5 * 3600_000).toISOString(), size: 47_100_000, kind: 'full', objects: 110, ok: true, destination: 's3://backup.example/sekikura', locked_until: new Date(now + 29 * 86_400_000).toISOString() },
  ]
  let drill = { time: new Date(now - 3 * 86_400_000).toISOString(), ok: true, rto_s: 42, rpo_s: 540, checked: 1834 }

  const note = (who, action, object, reason, before, after) => {
    const previous = audit[0]?.hash ?? ''
    const record = { seq: audit.length + 1, time: new Date().toISOString(), tenant: operator, actor: who?.login ?? 'system', actor_tenant: who?.tenant ?? operator, address: '127.0.0.1', action, object, reason: reason ?? '', ...(before === undefined ? {} : { before }), ...(after === undefined ? {} : { after }) }
    audit.unshift({ ...record, hash: hash([previous, record]) })
  }
  const addUser = (u, first = password()) => {
    const user = { login: u.login, name: u.name, section: u.section ?? '', role: u.role, tenant: u.tenant, must_change_password: true, totp: false, disabled: false, created_at: new Date().toISOString(), ...(u.expires_at ? { expires_at: u.expires_at } : {}) }
    users.set(u.login, { user, password: first })
    return first
  }
  const adminPassword = addUser({ login: 'takahashi', name: '高橋 直人', section: '情報政策課', role: 'operator', tenant: operator })
  for (let i = 0; i < 130; i++) note({ login: i % 3 ? 'takahashi' : 'sato', tenant: operator }, ['session.login', 'policy.write', 'event.search', 'user.add'][i % 4], ['waf', 'sato', 'www.vill.wakaba.example'][i % 3], i % 4 === 1 ? '令8-0371' : '')

  const key = (t, s, layer) => `${t} ${s} ${layer}`
  policies.set(key(operator, 'waf', 'baseline'), [{ version: 1, body: { paranoia: 1, action: 'block' }, locks: ['/action'], change: { reference: '令8-0148', by: 'takahashi', at: new Date(now - 140 * 86_400_000).toISOString() } }])
  policies.set(key('994413', 'waf', 'override'), [
    { version: 1, body: { threshold: 7 }, change: { reference: '令8-0290', by: 'tanaka', at: new Date(now - 50 * 86_400_000).toISOString(), note: 'ためしに弱めた' } },
    { version: 2, body: { exclusions: [{ path: '/form/', rules: [942100], parameter: 'bikou', reason: '住民票の請求の備考欄', owner: '田中', expires: new Date(now + 40 * 86_400_000).toISOString().slice(0, 10) }] }, change: { emergency: true, approve_by: new Date(now + 5.2 * 3600_000).toISOString(), by: 'tanaka', at: new Date(now - 18.8 * 3600_000).toISOString(), note: '例外を 1件追加' } },
  ])
  for (const t of seed.slice(1)) policies.set(key(t.id, 'site', 'override'), [{ version: 1, body: { sites: [{ host: t.hosts[0], origin: 'http://127.0.0.1:9000', redirect_https: true }] }, change: { reference: '令8-0001', by: 'takahashi', at: new Date(now - 200 * 86_400_000).toISOString() } }])

  const current = (t, s, layer) => policies.get(key(t, s, layer))?.at(-1)
  const doc = (service, v) => v && { service, schema: 1, version: v.version, ...(v.mode ? { mode: v.mode } : {}), ...(v.locks ? { locks: v.locks } : {}), change: v.change, body: v.body }
  function effective(t, s, override) {
    const base = current(operator, s, 'baseline')
    const locked = base?.locks ?? []
    const body = { ...defaults[s], ...base?.body }
    const origins = Object.fromEntries(Object.keys(body).map((f) => ['/' + f, f in (base?.body ?? {}) ? 'baseline' : 'default']))
    const ignored = []
    for (const [f, v] of Object.entries(override?.body ?? {})) {
      if (locked.includes('/' + f)) ignored.push('/' + f)
      else {
        body[f] = v
        origins['/' + f] = 'override'
      }
    }
    return { mode: override?.mode ?? base?.mode ?? 'ours', body, origins: { '': 'default', ...origins }, locked, ...(ignored.length ? { ignored } : {}) }
  }
  function check(s, body) {
    const problems = []
    if (s === 'waf') {
      if (body.threshold !== undefined && (body.threshold < 1 || body.threshold > 1000)) problems.push({ path: '/threshold', code: 'out_of_range', args: [body.threshold, 1, 1000] })
      for (const [i, e] of (body.exclusions ?? []).entries()) {
        if (!e.path?.startsWith('/')) problems.push({ path: `/exclusions/${i}/path`, code: 'not_a_path', args: [e.path] })
        if (e.rules?.some((r) => r < 900000)) problems.push({ path: `/exclusions/${i}/rules`, code: 'unknown_rule', args: [e.rules[0]] })
      }
    }
    return problems
  }
  function state(t, s, layer) {
    const own = current(t, s, layer)
    return { tenant: t, service: s, layer, etag: `"${own?.version ?? 0}"`, document: doc(s, own) ?? null, baseline: doc(s, current(operator, s, 'baseline')) ?? null, effective: layer === 'baseline' ? effective(operator, s) : effective(t, s, own), problems: [], reference_mandatory: false }
  }

  const wide = (u) => u.tenant === operator && !u.role.startsWith('tenant')
  const reach = (me, t) => {
    if (!tenants.some((x) => x.id === t) || (!wide(me) && me.tenant !== t)) throw new Refusal(404, 'not_found')
  }
  const spans = { m: 60_000, h: 3600_000, d: 86_400_000 }
  function select(me, p) {
    const since = p.get('since') ?? '1h'
    const from = p.get('from') ? Date.parse(p.get('from')) : Date.now() - parseInt(since) * (spans[since.at(-1)] ?? 3600_000)
    const to = p.get('to') ? Date.parse(p.get('to')) : Date.now()
    const q = p.get('q') ?? ''
    if ((q.match(/"/g) ?? []).length % 2) throw new Refusal(422, 'bad_query')
    // The mock reads what the screens send: field:="value", AND, OR in brackets, a quoted phrase.
    const groups = q.split('|')[0].split(' AND ').map((g) => g.replace(/^\(|\)$/g, '').split(' OR ').map((x) => x.trim()).filter(Boolean)).filter((g) => g.length)
    const matches = (row, one) => {
      const m = /^"([\w._]+)":="(.*)"$/.exec(one) ?? /^([\w._]+):=?"?([^"]*)"?$/.exec(one)
      if (m) return row[m[1]] === m[2]
      const words = one.replace(/^"|"$/g, '')
      return words === '*' || Object.values(row).some((v) => v.includes(words))
    }
    return {
      from,
      to,
      rows: rows.filter((r) => {
        const at = Date.parse(r._time)
        if (at < from || at > to) return false
        if (!wide(me) && r.tenant !== me.tenant) return false
        for (const [param, field] of [['tenant', 'tenant'], ['service', 'service'], ['action', 'event.action'], ['outcome', 'event.outcome']]) if (p.get(param) && r[field] !== p.get(param)) return false
        return groups.every((g) => g.some((one) => matches(r, one)))
      }),
    }
  }
  const stopped = (r) => ['blocked', 'detected', 'refused'].includes(r['event.outcome'])

  function home(me) {
    const day = (t) => rows.filter((r) => (!t || r.tenant === t) && Date.parse(r._time) > Date.now() - 86_400_000)
    const numbers = (t) => [
      { id: 'web_attacks', value: day(t).filter(stopped).length, usual: { low: 8, high: 20 }, usual_days_left: 0, href: '/events?since=24h&service=waf' },
      { id: 'web_requests', value: t ? day(t).length * 31 : 22_140_000, usual: t ? null : { low: 20_500_000, high: 24_000_000 }, usual_days_left: t ? 4 : 0, href: '/events?since=24h&service=site' },
    ]
    const at = new Date().toISOString()
    if (wide(me)) {
      return {
        view: 'operator', checked_at: at, answer: 'safe', reason_code: 'all_ok', numbers: numbers(''),
        bodies: tenants.map((t) => ({ tenant: t.id, name: t.name, numbers: { requests: day(t.id).length, blocked: day(t.id).filter(stopped).length }, ...(t.id === '992011' ? { state: 'act', reason_code: 'web_origin_down', args: [17] } : t.id === '998010' ? { state: 'watch', reason_code: 'web_detect_only' } : { state: 'ok', reason_code: 'all_ok' }) })),
        capacity: [{ id: 'log_disk', used: 62e9, total: 100e9, days_left: 214 }],
        parts: status().parts,
        clocks: [{ id: 'c', tenant: '994413', code: 'approve_emergency', due: new Date(now + 5.2 * 3600_000).toISOString(), href: '/bodies/994413/policies/waf' }],
      }
    }
    return {
      view: 'tenant', answer: 'safe', reason_code: 'all_ok', checked_at: at, contact: tenants[0].contact, numbers: numbers(me.tenant),
      services: [
        { id: 'internet', state: 'not_built', text_code: 'not_built' },
        { id: 'mail', state: 'not_built', text_code: 'not_built' },
        { id: 'web', state: 'ok', text_code: 'web_ok', args: [12], checked_at: at },
        { id: 'endpoint', state: 'not_built', text_code: 'not_built' },
        { id: 'backup', state: 'ok', text_code: 'backup_ok', args: [7], checked_at: at },
      ],
      todo: [
        ...(me.role === 'tenant_admin' ? [{ id: 'approve-waf', code: 'approve_emergency', args: ['waf', '田中 学'], minutes: 5, due: new Date(now + 5.2 * 3600_000).toISOString(), href: '/web/policy/waf', verb_code: 'look' }] : []),
        ...(me.totp ? [] : [{ id: 'totp', code: 'set_up_totp', minutes: 3, href: '/account', verb_code: 'set_up' }]),
      ],
    }
  }
  function status() {
    const since = new Date(now - 26 * 3600_000).toISOString()
    return {
      parts: ['control', 'bus', 'logs', 'edge', 'origin'].map((group) => ({ group, roles: [group], state: 'up', since, restarts: group === 'logs' ? 1 : 0 })),
      absent: { low_ports: 'needs root', uid: 'needs root' },
      version: 'v0.1.0-mock',
    }
  }
  const meOf = (u) => ({ user: { login: u.login, name: u.name, section: u.section, role: u.role, tenant: u.tenant, must_change_password: u.must_change_password, totp: u.totp, ...(u.expires_at ? { expires_at: u.expires_at } : {}), ...(u.last_login_at ? { last_login_at: u.last_login_at } : {}) }, tenant: tenants.find((t) => t.id === u.tenant), operator: tenants[0], scopes: scopes[u.role], rooms: rooms[u.role], drill: false })

  // Every operation: method, pattern, scope, and what it answers.
  const ops = [
    ['GET', '/session', 'session.own', ({ me }) => meOf(me)],
    ['POST', '/session/password', 'session.own', ({ me, body }) => {
      const entry = users.get(me.login)
      if (body.old !== entry.password) throw new Refusal(422, 'invalid', [{ path: '/old', code: 'wrong_old' }])
      if (body.new.length < 12) throw new Refusal(422, 'invalid', [{ path: '/new', code: 'too_short' }])
      entry.password = body.new
      me.must_change_password = false
      return null
    }],
    ['POST', '/session/totp', 'session.own', () => ({ secret: 'JBSWY3DPEHPK3PXP', url: 'otpauth://totp/mock', qr: 'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==' })],
    ['PUT', '/session/totp', 'session.own', ({ me, body }) => {
      if (body.code !== '123456') throw new Refusal(422, 'totp_wrong')
      me.totp = true
      return { recovery: ['abcd-2345', 'efgh-6789', 'jkmn-2468'] }
    }],
    ['DELETE', '/session/totp', 'session.own', ({ me }) => ((me.totp = false), null)],
    ['GET', '/tokens', 'token.own', () => ({ items: tokens })],
    ['POST', '/tokens', 'token.own', ({ body }) => {
      const token = { id: `t${tokens.length + 1}`, name: body.name, scopes: body.scopes, created_at: new Date().toISOString(), expires_at: new Date(Date.now() + body.days * 86_400_000).toISOString() }
      tokens.push(token)
      return { ...token, token: 'skk_' + randomBytes(16).toString('base64url') }
    }],
    ['DELETE', '/tokens/:id', 'token.own', ({ id }) => (tokens.splice(tokens.findIndex((t) => t.id === id), 1), null)],
    ['GET', '/tenants', 'tenant.read', ({ me, query }) => ({ items: tenants.filter((t) => (wide(me) || t.id === me.tenant) && (t.name + t.id).includes(query.get('q') ?? '')) })],
    ['POST', '/tenants', 'tenant.write', ({ body }) => {
      const other = tenants.find((t) => t.id === body.id)
      if (other) throw new Refusal(422, 'invalid', [{ path: '/id', code: 'taken' }])
      tenants.push(body)
      return body
    }],
    ['GET', '/tenants/:t', 'tenant.read', ({ t }) => tenants.find((x) => x.id === t)],
    ['PUT', '/tenants/:t', 'tenant.write', ({ t, body }) => Object.assign(tenants.find((x) => x.id === t), body)],
    ['GET', '/tenants/:t/users', 'user.read', ({ t }) => ({ items: [...users.values()].map((u) => u.user).filter((u) => u.tenant === t) })],
    ['POST', '/tenants/:t/users', 'user.write', ({ me, t, body }) => {
      if (users.has(body.login)) throw new Refusal(422, 'invalid', [{ path: '/login', code: 'taken' }])
      const first = addUser({ ...body, tenant: t })
      note(me, 'user.add', body.login)
      return { user: users.get(body.login).user, password: first }
    }],
    ['GET', '/tenants/:t/users/:login', 'user.read', ({ login }) => users.get(login)?.user],
    ['PUT', '/tenants/:t/users/:login', 'user.write', ({ login, body }) => Object.assign(users.get(login).user, { disabled: false }, body)],
    ['DELETE', '/tenants/:t/users/:login', 'user.write', ({ login }) => (users.delete(login), null)],
    ['POST', '/tenants/:t/users/:login/reset', 'user.write', ({ login }) => ({ password: (users.get(login).password = password()) })],
    ['GET', '/services', 'policy.read', () => ({ items: Object.entries(defaults).map(([service, body]) => ({ service, title: service, schema: 1, default: body })) })],
    ['GET', '/tenants/:t/policies/:s', 'policy.read', ({ t, s, query }) => state(t, s, query.get('layer') ?? 'override')],
    ['PUT', '/tenants/:t/policies/:s', 'policy.write', ({ me, t, s, query, body, headers }) => {
      const layer = query.get('layer') ?? 'override'
      const before = current(t, s, layer)
      if (headers['if-match'] !== `"${before?.version ?? 0}"`) throw new Refusal(409, 'stale')
      if (!body.change?.reference && !body.change?.emergency) throw new Refusal(422, 'invalid', [{ path: '/change/reference', code: 'reference_or_emergency' }])
      const problems = check(s, body.body)
      if (problems.length) throw new Refusal(422, 'invalid', problems)
      policies.set(key(t, s, layer), [...(policies.get(key(t, s, layer)) ?? []), { version: (before?.version ?? 0) + 1, mode: body.mode, body: body.body, locks: body.locks, change: { ...body.change, by: me.login, at: new Date().toISOString(), ...(body.change.emergency ? { approve_by: new Date(Date.now() + 86_400_000).toISOString() } : {}) } }])
      note(me, 'policy.write', `${t} ${s}`, body.change.reference, before?.body ?? {}, body.body)
      return state(t, s, layer)
    }],
    ['POST', '/tenants/:t/policies/:s/preview', 'policy.read', ({ t, s, body }) => {
      const problems = check(s, body.body)
      const level = body.body.paranoia ?? 1
      const sample = (r, likely, direction) => ({ event_id: r['event.id'], path: r['url.path'], host: r['url.domain'], source_ip: r['source.ip'], rules: [r['rule.id'] ?? '942432'], likely, direction })
      const mine = rows.filter((r) => r.tenant === t)
      const honest = mine.filter((r) => r['url.path'] === '/form/inquiry' && !stopped(r)).slice(0, 3)
      return {
        effective: effective(t, s, { body: body.body, mode: body.mode }),
        problems,
        replay: problems.length || s !== 'waf' ? null : { since: new Date(now - 7 * 86_400_000).toISOString(), requests: mine.length, newly_blocked: level > 1 ? 9 + honest.length : 0, no_longer_blocked: body.body.threshold > 10 ? 2 : 0, unknown: 0, samples: [...(level > 1 ? honest.map((r) => sample(r, 'legitimate', 'newly_blocked')) : []), ...(body.body.threshold > 10 ? mine.filter(stopped).slice(0, 2).map((r) => sample(r, 'attack', 'no_longer_blocked')) : [])], capped: false },
      }
    }],
    ['GET', '/tenants/:t/policies/:s/history', 'policy.read', ({ t, s, query }) => {
      const versions = policies.get(key(t, s, query.get('layer') ?? 'override')) ?? []
      return { items: versions.map((v, i) => ({ ...v, locks: v.locks ?? [], current: i === versions.length - 1, diff: Object.keys({ ...versions[i - 1]?.body, ...v.body }).filter((f) => JSON.stringify(v.body[f]) !== JSON.stringify(versions[i - 1]?.body[f])).map((f) => ({ path: '/' + f, before: versions[i - 1]?.body[f] ?? null, after: v.body[f] ?? null })) })).reverse() }
    }],
    ['POST', '/tenants/:t/policies/:s/rollback', 'policy.write', ({ me, t, s, query, body }) => {
      const layer = query.get('layer') ?? 'override'
      const versions = policies.get(key(t, s, layer))
      versions.push({ ...versions.find((v) => v.version === body.version), version: versions.length + 1, change: { ...body.change, by: me.login, at: new Date().toISOString() } })
      return state(t, s, layer)
    }],
    ['GET', '/events', 'event.read', ({ me, query }) => {
      const found = select(me, query).rows
      const at = Number(query.get('cursor') ?? 0)
      const limit = Number(query.get('limit') ?? 100)
      return { events: found.slice(at, at + limit), ...(at + limit < found.length ? { next: String(at + limit) } : {}), took_ms: 41 }
    }],
    ['GET', '/events/histogram', 'event.read', ({ me, query }) => {
      const found = select(me, query)
      const n = Number(query.get('buckets') ?? 60)
      const step = (found.to - found.from) / n
      const count = (keep) => {
        const counts = Array(n).fill(0)
        for (const r of found.rows) if (keep(r)) counts[Math.min(n - 1, Math.floor((Date.parse(r._time) - found.from) / step))]++
        return counts
      }
      return { from: new Date(found.from).toISOString(), to: new Date(found.to).toISOString(), step_s: step / 1000, series: [{ key: 'all', counts: count(() => true) }, { key: 'stopped', counts: count(stopped) }], total: found.rows.length, stopped: found.rows.filter(stopped).length }
    }],
    ['GET', '/events/facets', 'event.read', ({ me, query }) => {
      const found = select(me, query).rows
      return {
        fields: (query.get('fields') ?? 'service').split(',').map((name) => {
          const counts = new Map()
          for (const r of found) if (r[name]) counts.set(r[name], (counts.get(r[name]) ?? 0) + 1)
          return { name, values: [...counts].map(([value, count]) => ({ value, count })).sort((a, b) => b.count - a.count).slice(0, 8) }
        }),
      }
    }],
    ['GET', '/events/by-reference/:ref', 'event.read', ({ me, ref }) => rows.find((r) => r['event.reference'] === ref && (wide(me) || r.tenant === me.tenant))],
    ['GET', '/events/:id', 'event.read', ({ me, id }) => rows.find((r) => r['event.id'] === id && (wide(me) || r.tenant === me.tenant))],
    ['GET', '/home', 'home.read', ({ me }) => home(me)],
    ['GET', '/status', 'status.read', status],
    ['GET', '/sites', 'site.read', ({ me }) => ({ items: tenants.filter((t) => t.hosts && (wide(me) || t.id === me.tenant)).map((t) => ({ tenant: t.id, host: t.hosts[0], origin: 'http://127.0.0.1:9000', mode: t.id === '998010' ? 'ours/detect' : 'ours/block', requests_24h: rows.filter((r) => r.tenant === t.id).length, blocked_24h: rows.filter((r) => r.tenant === t.id && stopped(r)).length, last_attack: rows.find((r) => r.tenant === t.id && stopped(r))?._time })) })],
    ['GET', '/audit', 'audit.read', ({ query }) => {
      const at = Number(query.get('cursor') ?? 0)
      const found = audit.filter((r) => `${r.actor} ${r.action} ${r.object} ${r.reason}`.includes(query.get('q') ?? ''))
      return { items: found.slice(at, at + 100), ...(at + 100 < found.length ? { next: String(at + 100) } : {}) }
    }],
    ['GET', '/audit/verify', 'audit.read', ({ query }) => ({ tenant: query.get('tenant') ?? operator, records: audit.length, ok: true, head: audit[0].hash, signed_at: new Date(now - 1800_000).toISOString() })],
    ['GET', '/backups', 'backup.read', () => ({ items: backups, last_drill: drill })],
    ['POST', '/backups', 'backup.run', () => {
      jobs.set('j1', { id: 'j1', kind: 'backup', state: 'done', progress: 1 })
      backups.unshift({ ...backups[0], id: `b${backups.length + 1}`, time: new Date().toISOString() })
      return { job: 'j1' }
    }],
    ['POST', '/backups/drill', 'backup.run', () => {
      jobs.set('j2', { id: 'j2', kind: 'drill', state: 'done', progress: 1 })
      drill = { ...drill, time: new Date().toISOString() }
      return { job: 'j2' }
    }],
    ['GET', '/jobs/:id', 'backup.read', ({ id }) => jobs.get(id)],
  ]
  ops.push(['POST', '/tenants/:t/policies/:s/approve', 'policy.write', ({ t, s, body }) => {
    const v = policies.get(key(t, s, 'override')).find((x) => x.version === body.version)
    v.change = { ...v.change, reference: body.reference }
    delete v.change.approve_by
    return state(t, s, 'override')
  }])
  const find = (method, path) => {
    for (const [m, pattern, scope, run] of ops) {
      const want = pattern.split('/')
      const got = path.split('/')
      if (m !== method || want.length !== got.length) continue
      const found = {}
      if (want.every((w, i) => (w.startsWith(':') ? ((found[w.slice(1)] = decodeURIComponent(got[i])), true) : w === got[i]))) return { scope, run, found }
    }
    return null
  }

  async function answer(req, res) {
    const url = new URL(req.url, 'http://mock')
    if (!url.pathname.startsWith('/api/')) {
      const file = normalize(join(dist, url.pathname))
      const path = file.startsWith(dist) && extname(file) && existsSync(file) ? file : join(dist, 'index.html')
      res.writeHead(200, { 'Content-Type': types[extname(path)] ?? 'application/octet-stream', 'Content-Security-Policy': csp, 'X-Content-Type-Options': 'nosniff' })
      res.end(readFileSync(path))
      return
    }
    let text = ''
    for await (const chunk of req) text += chunk
    const path = url.pathname.slice('/api/v1'.length)
    const send = (status, body, headers = {}) => {
      res.writeHead(status, { 'Content-Type': status >= 400 ? 'application/problem+json' : 'application/json', ...headers })
      res.end(body === null ? '' : JSON.stringify(body))
    }
    try {
      const body = text ? JSON.parse(text) : {}
      const sid = /sekikura_session=(\w+)/.exec(req.headers.cookie ?? '')?.[1]
      const bearer = req.headers.authorization === 'Bearer mock-admin-token'
      if (req.method === 'POST' && path === '/session') {
        const entry = users.get(body.login)
        if (!entry || entry.password !== body.password) throw new Refusal(401, 'wrong_login')
        if (entry.user.totp && !body.code) throw new Refusal(401, 'totp_required')
        if (entry.user.totp && body.code !== '123456') throw new Refusal(401, 'totp_wrong')
        const id = randomBytes(16).toString('hex')
        sessions.set(id, entry.user)
        const me = meOf(entry.user)
        entry.user.last_login_at = new Date().toISOString()
        send(200, me, { 'Set-Cookie': `sekikura_session=${id}; HttpOnly; SameSite=Strict; Path=/` })
        return
      }
      const me = bearer ? users.get('takahashi').user : sessions.get(sid)
      if (!me) throw new Refusal(401, 'login_required')
      if (req.method === 'DELETE' && path === '/session') {
        sessions.delete(sid)
        send(204, null)
        return
      }
      const op = find(req.method, path)
      if (!op) throw new Refusal(404, 'not_found')
      if (!bearer && req.method !== 'GET' && !req.headers['x-sekikura-request']) throw new Refusal(403, 'foreign_origin')
      if (op.found.t) reach(me, op.found.t)
      if (!scopes[me.role].includes(op.scope)) throw new Refusal(403, 'not_allowed')
      const data = op.run({ me, body, query: url.searchParams, headers: req.headers, ...op.found })
      if (data === undefined) throw new Refusal(404, 'not_found')
      if (data === null) send(204, null)
      else send(200, data, { ETag: data.etag ?? `"${hash(data).slice(0, 12)}"` })
    } catch (cause) {
      const status = cause.status ?? 500
      send(status, { type: 'about:blank', title: 'Refused', status, code: cause.code ?? 'internal', reference: 'ER-7K2M-94QX', detail: String(cause.message), ...(cause.errors ? { errors: cause.errors } : {}) })
    }
  }
  const server = createServer((req, res) => void answer(req, res))
  await new Promise((done) => server.listen(0, '127.0.0.1', done))
  const base = `http://127.0.0.1:${server.address().port}`
  return {
    demo: { portal: base, api: `${base}/api/v1`, admin: { user: 'takahashi', password: adminPassword, token: 'mock-admin-token' }, tenants: seed.slice(1).map((t) => ({ id: t.id, name: t.name, site_host: t.hosts[0] })) },
    stop: () => new Promise((done) => (server.closeAllConnections(), server.close(done))),
  }
}
