// A small stand-in for the product's API, with state in memory, so that the
// screens can be tried without the product. It serves the built bundle under
// the product's content security policy.
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { extname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { scopes, tenants as seed } from './data.mjs'
import { operations } from './ops.mjs'
import { hash, Refusal, world } from './world.mjs'

const dist = fileURLToPath(new URL('../dist', import.meta.url))
const types = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
}
const csp =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

/** Starts the mock; answers what demo.json would say, and how to stop it. */
export async function start() {
  const w = world()
  const { users, sessions, adminPassword, reach, meOf } = w
  const ops = operations(w)
  const find = (method, path) => {
    for (const [m, pattern, scope, run] of ops) {
      const want = pattern.split('/')
      const got = path.split('/')
      if (m !== method || want.length !== got.length) continue
      const found = {}
      if (want.every((w, i) => (w.startsWith(':') ? ((found[w.slice(1)] = decodeURIComponent(got[i])), true) : w === got[i])))
        return { scope, run, found }
    }
    return null
  }

  async function answer(req, res) {
    const url = new URL(req.url, 'http://mock')
    if (!url.pathname.startsWith('/api/')) {
      const file = normalize(join(dist, url.pathname))
      const path = file.startsWith(dist) && extname(file) && existsSync(file) ? file : join(dist, 'index.html')
      res.writeHead(200, {
        'Content-Type': types[extname(path)] ?? 'application/octet-stream',
        'Content-Security-Policy': csp,
        'X-Content-Type-Options': 'nosniff',
      })
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
      send(status, {
        type: 'about:blank',
        title: 'Refused',
        status,
        code: cause.code ?? 'internal',
        reference: 'ER-7K2M-94QX',
        detail: String(cause.message),
        ...(cause.errors ? { errors: cause.errors } : {}),
      })
    }
  }
  const server = createServer((req, res) => void answer(req, res))
  await new Promise((done) => server.listen(0, '127.0.0.1', done))
  const base = `http://127.0.0.1:${server.address().port}`
  return {
    demo: {
      portal: base,
      api: `${base}/api/v1`,
      admin: { user: 'takahashi', password: adminPassword, token: 'mock-admin-token' },
      tenants: seed.slice(1).map((t) => ({ id: t.id, name: t.name, site_host: t.hosts[0] })),
    },
    stop: () => new Promise((done) => (server.closeAllConnections(), server.close(done))),
  }
}
