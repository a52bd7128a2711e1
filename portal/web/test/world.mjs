// The state that the mock of the API keeps, and what it computes from it.
import { createHash, randomBytes } from 'node:crypto'
import { defaults, events as makeEvents, operator, rooms, scopes, tenants as seed } from './data.mjs'

export const password = () => randomBytes(9).toString('base64url') + 'x9'
export const hash = (v) => createHash('sha256').update(JSON.stringify(v)).digest('hex')

export class Refusal extends Error {
  constructor(status, code, errors) {
    super(code)
    Object.assign(this, { status, code, errors })
  }
}

/** A prefecture as it is on the day the mock starts. */
export function world() {
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
    {
      id: 'b2',
      time: new Date(now - 7.5 * 3600_000).toISOString(),
      size: 48_200_000,
      kind: 'full',
      objects: 112,
      ok: true,
      destination: 's3://backup.example/sekikura',
      locked_until: new Date(now + 30 * 86_400_000).toISOString(),
    },
    {
      id: 'b1',
      time: new Date(now - 31.5 * 3600_000).toISOString(),
      size: 47_100_000,
      kind: 'full',
      objects: 110,
      ok: true,
      destination: 's3://backup.example/sekikura',
      locked_until: new Date(now + 29 * 86_400_000).toISOString(),
    },
  ]
  const drill = { time: new Date(now - 3 * 86_400_000).toISOString(), ok: true, rto_s: 42, rpo_s: 540, checked: 1834 }

  const note = (who, action, object, reason, before, after) => {
    const previous = audit[0]?.hash ?? ''
    const record = {
      seq: audit.length + 1,
      time: new Date().toISOString(),
      tenant: operator,
      actor: who?.login ?? 'system',
      actor_tenant: who?.tenant ?? operator,
      address: '127.0.0.1',
      action,
      object,
      reason: reason ?? '',
      ...(before === undefined ? {} : { before }),
      ...(after === undefined ? {} : { after }),
    }
    audit.unshift({ ...record, hash: hash([previous, record]) })
  }
  const addUser = (u, first = password()) => {
    const user = {
      login: u.login,
      name: u.name,
      section: u.section ?? '',
      role: u.role,
      tenant: u.tenant,
      must_change_password: true,
      totp: false,
      disabled: false,
      created_at: new Date().toISOString(),
      ...(u.expires_at ? { expires_at: u.expires_at } : {}),
    }
    users.set(u.login, { user, password: first })
    return first
  }
  const adminPassword = addUser({ login: 'takahashi', name: '高橋 直人', section: '情報政策課', role: 'operator', tenant: operator })
  for (let i = 0; i < 130; i++)
    note(
      { login: i % 3 ? 'takahashi' : 'sato', tenant: operator },
      ['session.login', 'policy.write', 'event.search', 'user.add'][i % 4],
      ['waf', 'sato', 'www.vill.wakaba.example'][i % 3],
      i % 4 === 1 ? '令8-0371' : '',
    )

  const key = (t, s, layer) => `${t} ${s} ${layer}`
  policies.set(key(operator, 'waf', 'baseline'), [
    {
      version: 1,
      body: { paranoia: 1, action: 'block' },
      locks: ['/action'],
      change: { reference: '令8-0148', by: 'takahashi', at: new Date(now - 140 * 86_400_000).toISOString() },
    },
  ])
  policies.set(key('994413', 'waf', 'override'), [
    {
      version: 1,
      body: { threshold: 7 },
      change: { reference: '令8-0290', by: 'tanaka', at: new Date(now - 50 * 86_400_000).toISOString(), note: 'ためしに弱めた' },
    },
    {
      version: 2,
      body: {
        exclusions: [
          {
            path: '/form/',
            rules: [942100],
            parameter: 'bikou',
            reason: '住民票の請求の備考欄',
            owner: '田中',
            expires: new Date(now + 40 * 86_400_000).toISOString().slice(0, 10),
          },
        ],
      },
      change: {
        emergency: true,
        approve_by: new Date(now + 5.2 * 3600_000).toISOString(),
        by: 'tanaka',
        at: new Date(now - 18.8 * 3600_000).toISOString(),
        note: '例外を 1件追加',
      },
    },
  ])
  for (const t of seed.slice(1))
    policies.set(key(t.id, 'site', 'override'), [
      {
        version: 1,
        body: { sites: [{ host: t.hosts[0], origin: 'http://127.0.0.1:9000', redirect_https: true }] },
        change: { reference: '令8-0001', by: 'takahashi', at: new Date(now - 200 * 86_400_000).toISOString() },
      },
    ])

  const current = (t, s, layer) => policies.get(key(t, s, layer))?.at(-1)
  const doc = (service, v) =>
    v && {
      service,
      schema: 1,
      version: v.version,
      ...(v.mode ? { mode: v.mode } : {}),
      ...(v.locks ? { locks: v.locks } : {}),
      change: v.change,
      body: v.body,
    }
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
    return {
      mode: override?.mode ?? base?.mode ?? 'ours',
      body,
      origins: { '': 'default', ...origins },
      locked,
      ...(ignored.length ? { ignored } : {}),
    }
  }
  function check(s, body) {
    const problems = []
    if (s === 'waf') {
      if (body.threshold !== undefined && (body.threshold < 1 || body.threshold > 1000))
        problems.push({ path: '/threshold', code: 'out_of_range', args: [body.threshold, 1, 1000] })
      for (const [i, e] of (body.exclusions ?? []).entries()) {
        if (!e.path?.startsWith('/')) problems.push({ path: `/exclusions/${i}/path`, code: 'not_a_path', args: [e.path] })
        if (e.rules?.some((r) => r < 900000)) problems.push({ path: `/exclusions/${i}/rules`, code: 'unknown_rule', args: [e.rules[0]] })
      }
    }
    return problems
  }
  function state(t, s, layer) {
    const own = current(t, s, layer)
    return {
      tenant: t,
      service: s,
      layer,
      etag: `"${own?.version ?? 0}"`,
      document: doc(s, own) ?? null,
      baseline: doc(s, current(operator, s, 'baseline')) ?? null,
      effective: layer === 'baseline' ? effective(operator, s) : effective(t, s, own),
      problems: [],
      reference_mandatory: false,
    }
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
    const groups = q
      .split('|')[0]
      .split(' AND ')
      .map((g) =>
        g
          .replace(/^\(|\)$/g, '')
          .split(' OR ')
          .map((x) => x.trim())
          .filter(Boolean),
      )
      .filter((g) => g.length)
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
        for (const [param, field] of [
          ['tenant', 'tenant'],
          ['service', 'service'],
          ['action', 'event.action'],
          ['outcome', 'event.outcome'],
        ])
          if (p.get(param) && r[field] !== p.get(param)) return false
        return groups.every((g) => g.some((one) => matches(r, one)))
      }),
    }
  }
  const stopped = (r) => ['blocked', 'detected', 'refused'].includes(r['event.outcome'])

  function home(me) {
    const day = (t) => rows.filter((r) => (!t || r.tenant === t) && Date.parse(r._time) > Date.now() - 86_400_000)
    const numbers = (t) => [
      {
        id: 'web_attacks',
        value: day(t).filter(stopped).length,
        usual: { low: 8, high: 20 },
        usual_days_left: 0,
        href: '/events?since=24h&service=waf',
      },
      {
        id: 'web_requests',
        value: t ? day(t).length * 31 : 22_140_000,
        usual: t ? null : { low: 20_500_000, high: 24_000_000 },
        usual_days_left: t ? 4 : 0,
        href: '/events?since=24h&only=service%3Dsite&only=service%3Dwaf',
      },
    ]
    const at = new Date().toISOString()
    if (wide(me)) {
      return {
        view: 'operator',
        checked_at: at,
        answer: 'safe',
        reason_code: 'all_ok',
        numbers: numbers(''),
        bodies: tenants.map((t) => ({
          tenant: t.id,
          name: t.name,
          numbers: { requests: day(t.id).length, blocked: day(t.id).filter(stopped).length },
          ...(t.id === '992011'
            ? { state: 'act', reason_code: 'web_origin_down', args: [17] }
            : t.id === '998010'
              ? { state: 'watch', reason_code: 'web_detect_only' }
              : { state: 'ok', reason_code: 'all_ok' }),
        })),
        capacity: [{ id: 'log_disk', used: 62e9, total: 100e9, days_left: 214 }],
        parts: status().parts,
        clocks: [
          {
            id: 'c',
            tenant: '994413',
            code: 'approve_emergency',
            due: new Date(now + 5.2 * 3600_000).toISOString(),
            href: '/bodies/994413/policies/waf',
          },
        ],
      }
    }
    return {
      view: 'tenant',
      answer: 'safe',
      reason_code: 'all_ok',
      checked_at: at,
      contact: tenants[0].contact,
      numbers: numbers(me.tenant),
      services: [
        { id: 'internet', state: 'not_built', text_code: 'not_built' },
        { id: 'mail', state: 'not_built', text_code: 'not_built' },
        { id: 'web', state: 'ok', text_code: 'web_ok', args: [12], checked_at: at },
        { id: 'endpoint', state: 'not_built', text_code: 'not_built' },
        { id: 'backup', state: 'ok', text_code: 'backup_ok', args: [7], checked_at: at },
      ],
      todo: [
        ...(me.role === 'tenant_admin'
          ? [
              {
                id: 'approve-waf',
                code: 'approve_emergency',
                args: ['waf', '田中 学'],
                minutes: 5,
                due: new Date(now + 5.2 * 3600_000).toISOString(),
                href: '/web/policy/waf',
                verb_code: 'look',
              },
            ]
          : []),
        ...(me.totp ? [] : [{ id: 'totp', code: 'set_up_totp', minutes: 3, href: '/account', verb_code: 'set_up' }]),
      ],
    }
  }
  function status() {
    const since = new Date(now - 26 * 3600_000).toISOString()
    return {
      parts: ['control', 'bus', 'logs', 'edge', 'origin'].map((group) => ({
        group,
        roles: [group],
        state: 'up',
        since,
        restarts: group === 'logs' ? 1 : 0,
      })),
      absent: { low_ports: 'needs root', uid: 'needs root' },
      version: 'v0.1.0-mock',
    }
  }
  const meOf = (u) => ({
    user: {
      login: u.login,
      name: u.name,
      section: u.section,
      role: u.role,
      tenant: u.tenant,
      must_change_password: u.must_change_password,
      totp: u.totp,
      ...(u.expires_at ? { expires_at: u.expires_at } : {}),
      ...(u.last_login_at ? { last_login_at: u.last_login_at } : {}),
    },
    tenant: tenants.find((t) => t.id === u.tenant),
    operator: tenants[0],
    scopes: scopes[u.role],
    rooms: rooms[u.role],
    drill: false,
  })

  // Every operation: method, pattern, scope, and what it answers.
  return {
    now,
    rows,
    tenants,
    users,
    sessions,
    policies,
    tokens,
    audit,
    jobs,
    backups,
    note,
    addUser,
    adminPassword,
    key,
    current,
    effective,
    check,
    state,
    wide,
    reach,
    select,
    stopped,
    home,
    status,
    meOf,
    drill,
  }
}
