import { Icon } from '../../part/Icon'
import { CopyButton } from '../../part/CopyButton'
import { KeyValues, type KeyValue } from '../../part/KeyValues'
import type { EventRow } from '../../api/types'
import { moment, size } from '../../text/format'
import { useSession } from '../../session/session'
import { useText } from '../../text/text'
import { useBodyNames } from '../bodies/useBodyNames'
import { Matches } from './Matches'

// The order people ask in: when, who, from where, what, why. Fields that are not
// named here follow by name.
const first = [
  '_time',
  'event.created',
  'tenant',
  'event.reference',
  'service',
  'event.action',
  'event.outcome',
  'source.ip',
  'source.port',
  'user.name',
  'url.domain',
  'url.path',
  'url.query',
  'http.request.method',
  'http.response.status_code',
  'rule.name',
  'rule.category',
  'rule.id',
  'waf.score',
  'waf.threshold',
  'waf.paranoia',
  'refused.reason',
  'origin.address',
  'error.message',
  'user_agent.original',
  'policy.version',
]
const hidden = new Set(['waf.matches', '_msg', '_stream', '_stream_id', 'event.id', 'organization.id'])
const bytes = new Set(['http.request.body.bytes', 'http.response.body.bytes'])
const codes: Record<string, string> = {
  service: 'place.',
  'event.action': 'action.event.',
  'event.outcome': 'outcome.',
  'rule.category': 'attack.',
  'user.roles': 'role.',
}

interface Props {
  event: EventRow
  /** Narrows the search to this value; without it the rows have no plus. */
  onNarrow?: (field: string, value: string) => void
  narrow?: boolean
}

/** All that an event says, as rows of name and value. */
export function EventFacts({ event, onNarrow, narrow = false }: Props) {
  const { t, name, language } = useText()
  const { me } = useSession()
  const names = useBodyNames()
  const known = first.filter((f) => event[f])
  const rest = Object.keys(event)
    .filter((f) => event[f] && !first.includes(f) && !hidden.has(f))
    .sort()
  const say = (field: string, value: string): string => {
    if (field === '_time' || field === 'event.created') return moment(value, language, 'milli')
    if (field === 'tenant') return names?.get(value) ?? (value === me.tenant.id ? me.tenant.name : value)
    if (field === 'event.duration' || field === 'waf.duration')
      return t('event.milliseconds', { n: (Number(value) / 1e6).toLocaleString(language, { maximumFractionDigits: 1 }) })
    if (bytes.has(field)) return size(Number(value), language)
    const prefix = codes[field]
    if (!prefix) return value
    return name(prefix, value)
  }
  const rows = [...known, ...rest].map((field): KeyValue => {
    const value = event[field] ?? ''
    const label = name('field.', field)
    return {
      key: field,
      label,
      value: <span className={`wrap-anywhere ${label === field ? 'font-mono' : ''}`}>{say(field, value)}</span>,
      ...(onNarrow && field !== '_time' && field !== 'event.created'
        ? {
            action: (
              <button
                type="button"
                onClick={() => onNarrow(field, value)}
                aria-label={t('event.narrow', { field: label, value: say(field, value) })}
                title={t('event.narrow_short')}
                className="-my-1.5 flex size-9 shrink-0 items-center justify-center rounded-8 text-blue-900 hover:bg-blue-50 max-md:size-12"
              >
                <Icon name="plus" size={18} />
              </button>
            ),
          }
        : {}),
    }
  })
  const reference = event['event.reference']
  return (
    <div className="flex flex-col gap-4">
      <KeyValues rows={rows} narrow={narrow} />
      {event['waf.matches'] && <Matches text={event['waf.matches']} />}
      {reference && <CopyButton text={reference} label={t('event.copy_reference')} />}
    </div>
  )
}
