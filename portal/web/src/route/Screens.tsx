import { lazy, Suspense, type ReactNode } from 'react'
import { HomeScreen } from '../screen/home/HomeScreen'
import { NotBuilt } from '../screen/other/NotBuilt'
import { NotFound } from '../screen/other/NotFound'
import { useSession } from '../session/session'
import { Skeleton } from '../part/Skeleton'
import { Boundary } from './Boundary'
import { match } from './match'
import { useRouter } from './router'

const EventsScreen = lazy(() => import('../screen/events/EventsScreen').then((m) => ({ default: m.EventsScreen })))
const EventScreen = lazy(() => import('../screen/events/EventScreen').then((m) => ({ default: m.EventScreen })))
const PolicyScreen = lazy(() => import('../policy/PolicyScreen').then((m) => ({ default: m.PolicyScreen })))
const BodiesScreen = lazy(() => import('../screen/bodies/BodiesScreen').then((m) => ({ default: m.BodiesScreen })))
const NewBodyScreen = lazy(() => import('../screen/bodies/NewBodyScreen').then((m) => ({ default: m.NewBodyScreen })))
const BodyScreen = lazy(() => import('../screen/bodies/BodyScreen').then((m) => ({ default: m.BodyScreen })))
const EditBodyScreen = lazy(() => import('../screen/bodies/EditBodyScreen').then((m) => ({ default: m.EditBodyScreen })))
const NewUserScreen = lazy(() => import('../screen/users/NewUserScreen').then((m) => ({ default: m.NewUserScreen })))
const UserScreen = lazy(() => import('../screen/users/UserScreen').then((m) => ({ default: m.UserScreen })))
const WebScreen = lazy(() => import('../screen/web/WebScreen').then((m) => ({ default: m.WebScreen })))
const AuditScreen = lazy(() => import('../screen/audit/AuditScreen').then((m) => ({ default: m.AuditScreen })))
const StatusScreen = lazy(() => import('../screen/operations/StatusScreen').then((m) => ({ default: m.StatusScreen })))
const BackupsScreen = lazy(() => import('../screen/operations/BackupsScreen').then((m) => ({ default: m.BackupsScreen })))
const AccountScreen = lazy(() => import('../screen/account/AccountScreen').then((m) => ({ default: m.AccountScreen })))
const TokensScreen = lazy(() => import('../screen/account/TokensScreen').then((m) => ({ default: m.TokensScreen })))
const SettingsScreen = lazy(() => import('../screen/settings/SettingsScreen').then((m) => ({ default: m.SettingsScreen })))

const unbuilt = [
  'cases',
  'internet',
  'mail',
  'files',
  'dns',
  'endpoints',
  'requests',
  'assets',
  'helpdesk',
  'reports',
  'ledger',
  'assessment',
]

type Found = Record<string, string>

// The first pattern that fits wins, so /bodies/new stands before /bodies/:id.
const screens: [pattern: string, screen: (found: Found) => ReactNode][] = [
  ['/', () => <HomeScreen />],
  ['/events', () => <EventsScreen />],
  ['/events/:id', ({ id = '' }) => <EventScreen key={id} path={`/events/${encodeURIComponent(id)}`} />],
  ['/references/:ref', ({ ref = '' }) => <EventScreen key={ref} path={`/events/by-reference/${encodeURIComponent(ref)}`} />],
  ['/web', () => <WebScreen />],
  ['/web/policy/:service', ({ service = '' }) => <OwnPolicy key={service} service={service} />],
  ['/bodies', () => <BodiesScreen />],
  ['/bodies/new', () => <NewBodyScreen />],
  ['/bodies/:id', ({ id = '' }) => <BodyScreen key={id} id={id} />],
  ['/bodies/:id/edit', ({ id = '' }) => <EditBodyScreen key={id} id={id} />],
  ['/bodies/:id/users/new', ({ id = '' }) => <NewUserScreen key={id} tenant={id} />],
  ['/bodies/:id/users/:login', ({ id = '', login = '' }) => <UserScreen key={id + login} tenant={id} login={login} />],
  ['/bodies/:id/policies/:service', ({ id = '', service = '' }) => <PolicyScreen key={id + service} tenant={id} service={service} />],
  ['/audit', () => <AuditScreen />],
  ['/operations', () => <StatusScreen />],
  ['/operations/backups', () => <BackupsScreen />],
  ['/settings', () => <SettingsScreen />],
  ['/account', () => <AccountScreen />],
  ['/account/tokens', () => <TokensScreen />],
  ...unbuilt.map((room): [string, () => ReactNode] => ['/' + room, () => <NotBuilt key={room} room={room} />]),
]

/** A policy of one's own body, by its short address. */
function OwnPolicy({ service }: { service: string }) {
  const { me } = useSession()
  return <PolicyScreen tenant={me.tenant.id} service={service} />
}

/** The screen of the present address. */
export function Screens() {
  const { path } = useRouter()
  for (const [pattern, screen] of screens) {
    const found = match(pattern, path)
    if (found)
      return (
        <Boundary key={path}>
          <Suspense fallback={<Skeleton />}>{screen(found)}</Suspense>
        </Boundary>
      )
  }
  return <NotFound />
}
