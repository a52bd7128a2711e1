import { useEffect, useRef, useState, type ReactNode } from 'react'
import { listen } from '../api/client'
import { useRouter } from '../route/router'
import { useSession } from '../session/session'
import { clockTime } from '../text/format'
import { useText } from '../text/text'
import { DrillBar } from './DrillBar'
import { Header } from './Header'
import { KeyHelp } from './KeyHelp'
import { useKeys } from './keys'
import { Rail } from './Rail'
import { roomsOf } from './rooms'

/** The addresses of screens with three panes, which take the rail's words away. */
const narrowRail = /^\/events(\/|$)|^\/references\/|^\/bodies\/[^/]+\/policies\/|^\/web\/policy\//

const paneSelector = 'header, nav[data-pane], main, aside'

function nextPane(back: boolean) {
  const panes = [...document.querySelectorAll<HTMLElement>(paneSelector)].filter((p) => p.offsetParent !== null)
  const at = panes.findIndex((p) => p.contains(document.activeElement))
  const pane = panes[(at + (back ? -1 : 1) + panes.length) % panes.length]
  const first = pane?.querySelector<HTMLElement>('a[href], button, input, select, textarea, [tabindex]')
  ;(first ?? pane)?.focus()
}

/** Header, rail and the room's content, with the keys that work in every room. */
export function Frame({ children }: { children: ReactNode }) {
  const { t } = useText()
  const { me } = useSession()
  const { path, go } = useRouter()
  const [wide, setWide] = useState<boolean>()
  const [menu, setMenu] = useState(false)
  const [help, setHelp] = useState(false)
  const [lost, setLost] = useState<number>()
  const going = useRef(0)
  const rooms = roomsOf(me.rooms)
  const words = wide ?? !narrowRail.test(path)

  useEffect(() => listen({ reached: (ok) => setLost((since) => (ok ? undefined : (since ?? Date.now()))) }), [])
  useEffect(() => {
    setMenu(false)
    document.querySelector<HTMLElement>('main h1')?.focus({ preventScroll: true })
  }, [path])
  useEffect(() => {
    const press = (e: KeyboardEvent) => {
      if (e.key !== 'F6') return
      e.preventDefault()
      nextPane(e.shiftKey)
    }
    window.addEventListener('keydown', press)
    return () => window.removeEventListener('keydown', press)
  }, [])

  const keys: Record<string, () => void> = {
    '[': () => setWide(!words),
    '?': () => setHelp(true),
    '/': () => document.querySelector<HTMLElement>('[data-search]')?.focus(),
    g: () => {
      going.current = Date.now()
    },
  }
  for (const room of rooms) {
    const other = keys[room.letter]
    keys[room.letter] = () => {
      if (Date.now() - going.current < 1500) go(room.href)
      else other?.()
      going.current = 0
    }
  }
  useKeys(keys)

  return (
    <div className="flex min-h-screen flex-col">
      <a href="#content" className="skip link">
        {t('frame.skip')}
      </a>
      <Header menu={menu} onMenu={() => setMenu(!menu)} onHelp={() => setHelp(true)} />
      {me.drill && <DrillBar />}
      {lost !== undefined && (
        <p role="status" className="border-b border-orange-300 bg-orange-50 px-5 py-2 text-orange-1000">
          {t('state.stale', { time: clockTime(lost) })}
        </p>
      )}
      <div className="flex grow max-md:flex-col">
        <Rail rooms={rooms} words={words} open={menu} onWords={() => setWide(!words)} />
        <main id="content" tabIndex={-1} className="flex min-w-0 grow flex-col">
          {children}
        </main>
      </div>
      <KeyHelp open={help} onClose={() => setHelp(false)} rooms={rooms} />
    </div>
  )
}
