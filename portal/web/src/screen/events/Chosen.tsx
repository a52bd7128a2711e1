import { Icon } from '../../part/Icon'
import { useText } from '../../text/text'
import { useBodyNames } from '../bodies/useBodyNames'
import { split, type Narrowing } from './query'

const codes: Record<string, string> = {
  service: 'place.',
  'event.action': 'action.event.',
  'event.outcome': 'outcome.',
  'rule.category': 'attack.short.',
}

interface Props {
  now: Narrowing
  onChange: (change: Record<string, string | string[] | undefined>) => void
}

/** What narrows the rows beside the query, each to be taken away. */
export function Chosen({ now, onChange }: Props) {
  const { t, name } = useText()
  const names = useBodyNames()
  const named = (field: string) => name('field.', field)
  const say = (field: string, value: string) => {
    if (field === 'tenant') return names?.get(value) ?? value
    const prefix = codes[field]
    return prefix ? name(prefix, value) : value
  }
  const chips: { key: string; label: string; off: () => void }[] = []
  const simple: [keyof Narrowing, string][] = [
    ['tenant', 'tenant'],
    ['service', 'service'],
    ['action', 'event.action'],
    ['outcome', 'event.outcome'],
  ]
  for (const [param, field] of simple) {
    const value = now[param]
    if (typeof value === 'string' && value)
      chips.push({ key: param, label: `${named(field)}: ${say(field, value)}`, off: () => onChange({ [param]: undefined }) })
  }
  for (const one of now.only) {
    const [field, value] = split(one)
    chips.push({
      key: one,
      label: `${named(field)}: ${say(field, value)}`,
      off: () => onChange({ only: now.only.filter((o) => o !== one) }),
    })
  }
  if (chips.length === 0) return null
  return (
    <ul aria-label={t('events.chosen')} className="flex flex-wrap gap-2">
      {chips.map((c) => (
        <li key={c.key}>
          <button
            type="button"
            onClick={c.off}
            aria-label={t('events.unchoose', { what: c.label })}
            className="inline-flex min-h-9 items-center gap-1.5 rounded-full border border-blue-900 bg-blue-50 px-3 text-left wrap-anywhere text-blue-900 hover:bg-blue-100 max-md:min-h-12"
          >
            {c.label}
            <Icon name="close" size={16} />
          </button>
        </li>
      ))}
    </ul>
  )
}
