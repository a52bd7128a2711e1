// Every screen that a role sees. A path can be a function when it needs an id.
import { village } from './people.mjs'

const operator = '990001'

async function stoppedEvent({ context, demo }) {
  const answer = await context.request.get(`${demo.api}/events?since=7d&service=waf&limit=1&tenant=${village}`)
  return `/events/${(await answer.json()).events[0]['event.id']}`
}

async function reference({ context, demo }) {
  const answer = await context.request.get(`${demo.api}/events?since=7d&service=waf&limit=1&tenant=${village}`)
  return `/references/${(await answer.json()).events[0]['event.reference']}`
}

async function openDrawer(given) {
  return `/events?since=7d&service=waf&open=${(await stoppedEvent(given)).slice('/events/'.length)}`
}

export const screens = {
  operator: [
    { name: 'home', path: '/' },
    { name: 'events', path: '/events?since=1h' },
    { name: 'event-drawer', path: openDrawer },
    { name: 'event', path: stoppedEvent },
    { name: 'reference', path: reference },
    { name: 'bodies', path: '/bodies' },
    { name: 'body', path: `/bodies/${village}` },
    { name: 'body-new', path: '/bodies/new' },
    { name: 'body-edit', path: `/bodies/${village}/edit` },
    { name: 'user-new', path: `/bodies/${village}/users/new` },
    { name: 'user', path: ({ people }) => `/bodies/${village}/users/${people.tenant_staff.login}` },
    { name: 'baseline-waf', path: `/bodies/${operator}/policies/waf?layer=baseline` },
    { name: 'policy-site', path: `/bodies/${village}/policies/site` },
    { name: 'web', path: '/web' },
    { name: 'audit', path: '/audit' },
    { name: 'status', path: '/operations' },
    { name: 'backups', path: '/operations/backups' },
    { name: 'settings', path: '/settings' },
    { name: 'account', path: '/account' },
    { name: 'tokens', path: '/account/tokens' },
    { name: 'cases-not-built', path: '/cases' },
    { name: 'no-such-page', path: '/nowhere' },
  ],
  soc: [
    { name: 'home', path: '/' },
    { name: 'events', path: '/events?since=24h&service=waf' },
    { name: 'policy-read-only', path: `/bodies/${village}/policies/waf` },
  ],
  auditor: [
    { name: 'home', path: '/' },
    { name: 'audit', path: '/audit' },
    { name: 'backups', path: '/operations/backups' },
  ],
  vendor: [
    { name: 'home', path: '/' },
    { name: 'status', path: '/operations' },
  ],
  tenant_admin: [
    { name: 'home', path: '/' },
    { name: 'events', path: '/events?since=1h' },
    { name: 'web', path: '/web' },
    { name: 'settings', path: '/settings' },
    { name: 'body', path: `/bodies/${village}` },
    { name: 'policy-waf', path: `/bodies/${village}/policies/waf` },
    { name: 'requests-not-built', path: '/requests' },
  ],
  tenant_staff: [
    { name: 'home', path: '/' },
    { name: 'account', path: '/account' },
  ],
}
