import type { IconName } from '../part/icons'

export interface Room {
  id: string
  icon: IconName
  href: string
  /** G and this letter go there. */
  letter: string
  /** Rooms of one group stand together; a hairline parts groups. */
  group: number
  /** Pages below these addresses belong to the room too. */
  below?: string[]
}

/** Every room of the house; which of them an account sees, and in what order, the server says. */
const rooms: Room[] = [
  { id: 'home', icon: 'home', href: '/', letter: 'h', group: 0 },
  { id: 'cases', icon: 'shield', href: '/cases', letter: 'c', group: 0 },
  { id: 'logs', icon: 'search', href: '/events', letter: 'l', group: 0, below: ['/references'] },
  { id: 'web', icon: 'window', href: '/web', letter: 'w', group: 1 },
  { id: 'internet', icon: 'globe', href: '/internet', letter: 'i', group: 1 },
  { id: 'mail', icon: 'mail', href: '/mail', letter: 'm', group: 1 },
  { id: 'files', icon: 'file', href: '/files', letter: 'f', group: 1 },
  { id: 'dns', icon: 'network', href: '/dns', letter: 'd', group: 1 },
  { id: 'endpoints', icon: 'laptop', href: '/endpoints', letter: 'e', group: 1 },
  { id: 'requests', icon: 'form', href: '/requests', letter: 'r', group: 2 },
  { id: 'assets', icon: 'box', href: '/assets', letter: 'a', group: 2 },
  { id: 'operations', icon: 'sliders', href: '/operations', letter: 'o', group: 2 },
  { id: 'helpdesk', icon: 'chat', href: '/helpdesk', letter: 't', group: 2 },
  { id: 'reports', icon: 'bars', href: '/reports', letter: 'p', group: 2 },
  { id: 'ledger', icon: 'book', href: '/ledger', letter: 'b', group: 2 },
  { id: 'assessment', icon: 'check', href: '/assessment', letter: 'j', group: 2 },
  { id: 'settings', icon: 'gear', href: '/settings', letter: 's', group: 3, below: ['/bodies', '/account', '/web'] },
  { id: 'audit', icon: 'eye', href: '/audit', letter: 'k', group: 3 },
]

/** The rooms of ids, in their order; an id this build does not know is left out. */
export function roomsOf(ids: string[]): Room[] {
  return ids.flatMap((id) => rooms.find((r) => r.id === id) ?? [])
}

/** The room of seen that path belongs to. */
export function roomAt(path: string, seen: Room[]): Room | undefined {
  const under = (href: string) => path === href || (href !== '/' && path.startsWith(href + '/'))
  return seen.find((r) => under(r.href)) ?? seen.find((r) => r.below?.some(under))
}
