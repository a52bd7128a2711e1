// Makes the demonstration's edge stop a real attack, so that there is something
// to see, and waits until the portal can show it.
import { randomBytes } from 'node:crypto'
import { request } from 'node:http'

function knock(address, host, path) {
  const [hostname, port] = address.split(':')
  return new Promise((done, refuse) => {
    const req = request({ hostname, port, path, headers: { Host: host, 'User-Agent': 'sqlmap/1.8' }, timeout: 10_000 }, (res) => {
      res.resume()
      res.on('end', () => done(res.statusCode))
    })
    req.on('error', refuse)
    req.end()
  })
}

export async function provoke(context, demo) {
  if (!demo.edge_http) return
  const mark = randomBytes(6).toString('hex')
  const host = demo.tenants.find((t) => t.id === '994413').site_host
  await knock(demo.edge_http, host, '/')
  for (let i = 0; i < 3; i++) await knock(demo.edge_http, host, `/search?mark=${mark}&q=${encodeURIComponent("1' OR '1'='1' -- ")}`)
  const until = Date.now() + 30_000
  while (Date.now() < until) {
    const answer = await context.request.get(`${demo.api}/events?since=15m&q=${encodeURIComponent(`"${mark}"`)}`, {
      headers: { Authorization: `Bearer ${demo.admin.token}` },
    })
    if (answer.ok() && (await answer.json()).events.length > 0) return
    await new Promise((wait) => setTimeout(wait, 500))
  }
  throw new Error('the attack that was sent to the edge did not become an event within 30 s')
}
