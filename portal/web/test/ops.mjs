// Every operation of the mock: method, pattern, scope, and what it answers.
import { randomBytes } from 'node:crypto'
import { defaults, operator } from './data.mjs'
import { hash, password, Refusal } from './world.mjs'

export function operations(w) {
  const {
    now,
    rows,
    tenants,
    users,
    policies,
    tokens,
    audit,
    jobs,
    backups,
    note,
    addUser,
    key,
    current,
    effective,
    check,
    state,
    wide,
    select,
    stopped,
    home,
    status,
    meOf,
  } = w
  const ops = [
    ['GET', '/session', 'session.own', ({ me }) => meOf(me)],
    [
      'POST',
      '/session/password',
      'session.own',
      ({ me, body }) => {
        const entry = users.get(me.login)
        if (body.old !== entry.password) throw new Refusal(422, 'invalid', [{ path: '/old', code: 'wrong_old' }])
        if (body.new.length < 12) throw new Refusal(422, 'invalid', [{ path: '/new', code: 'too_short' }])
        entry.password = body.new
        me.must_change_password = false
        return null
      },
    ],
    [
      'POST',
      '/session/totp',
      'session.own',
      () => ({
        secret: 'JBSWY3DPEHPK3PXP',
        url: 'otpauth://totp/mock',
        qr: 'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
      }),
    ],
    [
      'PUT',
      '/session/totp',
      'session.own',
      ({ me, body }) => {
        if (body.code !== '123456') throw new Refusal(422, 'totp_wrong')
        me.totp = true
        return { recovery: ['abcd-2345', 'efgh-6789', 'jkmn-2468'] }
      },
    ],
    ['DELETE', '/session/totp', 'session.own', ({ me }) => ((me.totp = false), null)],
    ['GET', '/tokens', 'token.own', () => ({ items: tokens })],
    [
      'POST',
      '/tokens',
      'token.own',
      ({ body }) => {
        const token = {
          id: `t${tokens.length + 1}`,
          name: body.name,
          scopes: body.scopes,
          created_at: new Date().toISOString(),
          expires_at: new Date(Date.now() + body.days * 86_400_000).toISOString(),
        }
        tokens.push(token)
        return { ...token, token: 'skk_' + randomBytes(16).toString('base64url') }
      },
    ],
    [
      'DELETE',
      '/tokens/:id',
      'token.own',
      ({ id }) => (
        tokens.splice(
          tokens.findIndex((t) => t.id === id),
          1,
        ),
        null
      ),
    ],
    [
      'GET',
      '/tenants',
      'tenant.read',
      ({ me, query }) => ({
        items: tenants.filter((t) => (wide(me) || t.id === me.tenant) && (t.name + t.id).includes(query.get('q') ?? '')),
      }),
    ],
    [
      'POST',
      '/tenants',
      'tenant.write',
      ({ body }) => {
        const other = tenants.find((t) => t.id === body.id)
        if (other) throw new Refusal(422, 'invalid', [{ path: '/id', code: 'taken' }])
        tenants.push(body)
        return body
      },
    ],
    ['GET', '/tenants/:t', 'tenant.read', ({ t }) => tenants.find((x) => x.id === t)],
    [
      'PUT',
      '/tenants/:t',
      'tenant.write',
      ({ t, body }) =>
        Object.assign(
          tenants.find((x) => x.id === t),
          body,
        ),
    ],
    ['GET', '/tenants/:t/users', 'user.read', ({ t }) => ({ items: [...users.values()].map((u) => u.user).filter((u) => u.tenant === t) })],
    [
      'POST',
      '/tenants/:t/users',
      'user.write',
      ({ me, t, body }) => {
        if (users.has(body.login)) throw new Refusal(422, 'invalid', [{ path: '/login', code: 'taken' }])
        const first = addUser({ ...body, tenant: t })
        note(me, 'user.add', body.login)
        return { user: users.get(body.login).user, password: first }
      },
    ],
    ['GET', '/tenants/:t/users/:login', 'user.read', ({ login }) => users.get(login)?.user],
    ['PUT', '/tenants/:t/users/:login', 'user.write', ({ login, body }) => Object.assign(users.get(login).user, { disabled: false }, body)],
    ['DELETE', '/tenants/:t/users/:login', 'user.write', ({ login }) => (users.delete(login), null)],
    ['POST', '/tenants/:t/users/:login/reset', 'user.write', ({ login }) => ({ password: (users.get(login).password = password()) })],
    [
      'GET',
      '/services',
      'policy.read',
      () => ({ items: Object.entries(defaults).map(([service, body]) => ({ service, title: service, schema: 1, default: body })) }),
    ],
    ['GET', '/tenants/:t/policies/:s', 'policy.read', ({ t, s, query }) => state(t, s, query.get('layer') ?? 'override')],
    [
      'PUT',
      '/tenants/:t/policies/:s',
      'policy.write',
      ({ me, t, s, query, body, headers }) => {
        const layer = query.get('layer') ?? 'override'
        const before = current(t, s, layer)
        if (headers['if-match'] !== `"${before?.version ?? 0}"`) throw new Refusal(409, 'stale')
        if (!body.change?.reference && !body.change?.emergency)
          throw new Refusal(422, 'invalid', [{ path: '/change/reference', code: 'reference_or_emergency' }])
        const problems = check(s, body.body)
        if (problems.length) throw new Refusal(422, 'invalid', problems)
        policies.set(key(t, s, layer), [
          ...(policies.get(key(t, s, layer)) ?? []),
          {
            version: (before?.version ?? 0) + 1,
            mode: body.mode,
            body: body.body,
            locks: body.locks,
            change: {
              ...body.change,
              by: me.login,
              at: new Date().toISOString(),
              ...(body.change.emergency ? { approve_by: new Date(Date.now() + 86_400_000).toISOString() } : {}),
            },
          },
        ])
        note(me, 'policy.write', `${t} ${s}`, body.change.reference, before?.body ?? {}, body.body)
        return state(t, s, layer)
      },
    ],
    [
      'POST',
      '/tenants/:t/policies/:s/preview',
      'policy.read',
      ({ t, s, body }) => {
        const problems = check(s, body.body)
        const level = body.body.paranoia ?? 1
        const sample = (r, likely, direction) => ({
          event_id: r['event.id'],
          path: r['url.path'],
          host: r['url.domain'],
          source_ip: r['source.ip'],
          rules: [r['rule.id'] ?? '942432'],
          likely,
          direction,
        })
        const mine = rows.filter((r) => r.tenant === t)
        const honest = mine.filter((r) => r['url.path'] === '/form/inquiry' && !stopped(r)).slice(0, 3)
        return {
          effective: effective(t, s, { body: body.body, mode: body.mode }),
          problems,
          replay:
            problems.length || s !== 'waf'
              ? null
              : {
                  since: new Date(now - 7 * 86_400_000).toISOString(),
                  requests: mine.length,
                  newly_blocked: level > 1 ? 9 + honest.length : 0,
                  no_longer_blocked: body.body.threshold > 10 ? 2 : 0,
                  unknown: 0,
                  samples: [
                    ...(level > 1 ? honest.map((r) => sample(r, 'legitimate', 'newly_blocked')) : []),
                    ...(body.body.threshold > 10
                      ? mine
                          .filter(stopped)
                          .slice(0, 2)
                          .map((r) => sample(r, 'attack', 'no_longer_blocked'))
                      : []),
                  ],
                  capped: false,
                },
        }
      },
    ],
    [
      'GET',
      '/tenants/:t/policies/:s/history',
      'policy.read',
      ({ t, s, query }) => {
        const versions = policies.get(key(t, s, query.get('layer') ?? 'override')) ?? []
        return {
          items: versions
            .map((v, i) => ({
              ...v,
              locks: v.locks ?? [],
              current: i === versions.length - 1,
              diff: Object.keys({ ...versions[i - 1]?.body, ...v.body })
                .filter((f) => JSON.stringify(v.body[f]) !== JSON.stringify(versions[i - 1]?.body[f]))
                .map((f) => ({ path: '/' + f, before: versions[i - 1]?.body[f] ?? null, after: v.body[f] ?? null })),
            }))
            .reverse(),
        }
      },
    ],
    [
      'POST',
      '/tenants/:t/policies/:s/rollback',
      'policy.write',
      ({ me, t, s, query, body }) => {
        const layer = query.get('layer') ?? 'override'
        const versions = policies.get(key(t, s, layer))
        versions.push({
          ...versions.find((v) => v.version === body.version),
          version: versions.length + 1,
          change: { ...body.change, by: me.login, at: new Date().toISOString() },
        })
        return state(t, s, layer)
      },
    ],
    [
      'GET',
      '/events',
      'event.read',
      ({ me, query }) => {
        const found = select(me, query).rows
        const at = Number(query.get('cursor') ?? 0)
        const limit = Number(query.get('limit') ?? 100)
        return { events: found.slice(at, at + limit), ...(at + limit < found.length ? { next: String(at + limit) } : {}), took_ms: 41 }
      },
    ],
    [
      'GET',
      '/events/histogram',
      'event.read',
      ({ me, query }) => {
        const found = select(me, query)
        const n = Number(query.get('buckets') ?? 60)
        const step = (found.to - found.from) / n
        const count = (keep) => {
          const counts = Array(n).fill(0)
          for (const r of found.rows) if (keep(r)) counts[Math.min(n - 1, Math.floor((Date.parse(r._time) - found.from) / step))]++
          return counts
        }
        return {
          from: new Date(found.from).toISOString(),
          to: new Date(found.to).toISOString(),
          step_s: step / 1000,
          series: [
            { key: 'all', counts: count(() => true) },
            { key: 'stopped', counts: count(stopped) },
          ],
          total: found.rows.length,
          stopped: found.rows.filter(stopped).length,
        }
      },
    ],
    [
      'GET',
      '/events/facets',
      'event.read',
      ({ me, query }) => {
        const found = select(me, query).rows
        return {
          fields: (query.get('fields') ?? 'service').split(',').map((name) => {
            const counts = new Map()
            for (const r of found) if (r[name]) counts.set(r[name], (counts.get(r[name]) ?? 0) + 1)
            return {
              name,
              values: [...counts]
                .map(([value, count]) => ({ value, count }))
                .sort((a, b) => b.count - a.count)
                .slice(0, 8),
            }
          }),
        }
      },
    ],
    [
      'GET',
      '/events/by-reference/:ref',
      'event.read',
      ({ me, ref }) => rows.find((r) => r['event.reference'] === ref && (wide(me) || r.tenant === me.tenant)),
    ],
    ['GET', '/events/:id', 'event.read', ({ me, id }) => rows.find((r) => r['event.id'] === id && (wide(me) || r.tenant === me.tenant))],
    ['GET', '/home', 'home.read', ({ me }) => home(me)],
    ['GET', '/status', 'status.read', status],
    [
      'GET',
      '/sites',
      'site.read',
      ({ me }) => ({
        items: tenants
          .filter((t) => t.hosts && (wide(me) || t.id === me.tenant))
          .map((t) => ({
            tenant: t.id,
            host: t.hosts[0],
            origin: 'http://127.0.0.1:9000',
            mode: t.id === '998010' ? 'ours/detect' : 'ours/block',
            requests_24h: rows.filter((r) => r.tenant === t.id).length,
            blocked_24h: rows.filter((r) => r.tenant === t.id && stopped(r)).length,
            last_attack: rows.find((r) => r.tenant === t.id && stopped(r))?._time,
          })),
      }),
    ],
    [
      'GET',
      '/audit',
      'audit.read',
      ({ query }) => {
        const at = Number(query.get('cursor') ?? 0)
        const found = audit.filter((r) => `${r.actor} ${r.action} ${r.object} ${r.reason}`.includes(query.get('q') ?? ''))
        return { items: found.slice(at, at + 100), ...(at + 100 < found.length ? { next: String(at + 100) } : {}) }
      },
    ],
    [
      'GET',
      '/audit/verify',
      'audit.read',
      ({ query }) => ({
        tenant: query.get('tenant') ?? operator,
        records: audit.length,
        ok: true,
        head: audit[0].hash,
        signed_at: new Date(now - 1800_000).toISOString(),
      }),
    ],
    ['GET', '/backups', 'backup.read', () => ({ items: backups, last_drill: w.drill })],
    [
      'POST',
      '/backups',
      'backup.run',
      () => {
        jobs.set('j1', { id: 'j1', kind: 'backup', state: 'done', progress: 1 })
        backups.unshift({ ...backups[0], id: `b${backups.length + 1}`, time: new Date().toISOString() })
        return { job: 'j1' }
      },
    ],
    [
      'POST',
      '/backups/drill',
      'backup.run',
      () => {
        jobs.set('j2', { id: 'j2', kind: 'drill', state: 'done', progress: 1 })
        w.drill = { ...w.drill, time: new Date().toISOString() }
        return { job: 'j2' }
      },
    ],
    ['GET', '/jobs/:id', 'backup.read', ({ id }) => jobs.get(id)],
  ]
  ops.push([
    'POST',
    '/tenants/:t/policies/:s/approve',
    'policy.write',
    ({ t, s, body }) => {
      const v = policies.get(key(t, s, 'override')).find((x) => x.version === body.version)
      v.change = { ...v.change, reference: body.reference }
      delete v.change.approve_by
      return state(t, s, 'override')
    },
  ])
  return ops
}
