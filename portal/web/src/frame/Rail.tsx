import { Link } from '../route/Link'
import { useRouter } from '../route/router'
import { useSession } from '../session/session'
import { useText } from '../text/text'
import { Icon } from '../part/Icon'
import { HelpLine } from './HelpLine'
import { roomAt, type Room } from './rooms'

interface Props {
  rooms: Room[]
  /** Words beside the icons; without them each icon keeps its name for readers and as a tooltip. */
  words: boolean
  /** The phone's menu is open. */
  open: boolean
  onWords: () => void
}

export function Rail({ rooms, words, open, onWords }: Props) {
  const { t } = useText()
  const { me, wide } = useSession()
  const { path } = useRouter()
  const here = roomAt(path, rooms)
  const few = rooms.length <= 6
  const name = (r: Room) =>
    t(!wide && r.id === 'logs' ? 'room.logs_tenant' : !wide && r.id === 'helpdesk' ? 'room.helpdesk_tenant' : 'room.' + r.id)
  return (
    <nav
      id="rooms"
      data-pane
      aria-label={t('frame.rooms')}
      className={`shrink-0 border-r border-hair bg-side ${words ? 'w-[232px]' : 'w-16'} max-md:w-full ${open ? '' : 'max-md:hidden'}`}
    >
      <div className="flex flex-col py-4 md:sticky md:top-0 md:h-[calc(100vh-4rem)] md:overflow-y-auto">
        <ul className="flex flex-col">
          {rooms.map((r, i) => (
            <li key={r.id} className="relative px-3">
              {!few && i > 0 && rooms[i - 1]?.group !== r.group && (
                <span aria-hidden="true" className="mx-3 mt-1 mb-2 block border-t border-hair" />
              )}

              {r === here && (
                <span aria-hidden="true" className={`absolute left-0 h-6 w-1 rounded-r-4 bg-blue-900 ${few ? 'bottom-3' : 'bottom-2'}`} />
              )}
              <Link
                href={r.href}
                aria-current={r === here ? 'page' : undefined}
                title={words ? undefined : name(r)}
                className={`flex items-center gap-3 rounded-8 px-3 hover:bg-blue-50 ${few ? 'min-h-12' : 'min-h-10'} max-md:min-h-12 ${words ? '' : 'md:justify-center md:px-0'} ${r === here ? 'bg-blue-50 font-700 text-blue-900' : ''}`}
              >
                <Icon name={r.icon} />
                <span className={words ? '' : 'md:sr-only'}>{name(r)}</span>
              </Link>
            </li>
          ))}
        </ul>
        <div className={`mt-auto flex flex-col gap-3 px-5 pt-6 ${words ? '' : 'md:px-3'}`}>
          {few && words && <HelpLine contact={me.operator.contact} name={me.operator.name} />}
          <button
            type="button"
            onClick={onWords}
            aria-expanded={words}
            title={t('frame.toggle_rail')}
            className="flex min-h-10 items-center gap-2 self-start rounded-8 px-1 text-ink-2 hover:text-ink max-md:hidden"
          >
            <span className="key" aria-hidden="true">
              [
            </span>
            <span className={words ? '' : 'sr-only'}>{t(words ? 'frame.fold' : 'frame.unfold')}</span>
          </button>
        </div>
      </div>
    </nav>
  )
}
