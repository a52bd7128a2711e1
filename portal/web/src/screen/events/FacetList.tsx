import type { Facets } from '../../api/types'
import { Checkbox } from '../../part/Checkbox'
import { useText } from '../../text/text'
import { useBodyNames } from '../bodies/useBodyNames'

const codes: Record<string, string> = { service: 'place.', 'event.outcome': 'outcome.', 'rule.category': 'attack.short.' }

interface Props {
  facets: Facets
  only: string[]
  onChange: (only: string[]) => void
}

/** The commonest values of some fields, to narrow by; a value that was chosen stays to be taken back. */
export function FacetList({ facets, only, onChange }: Props) {
  const { name, language } = useText()
  const names = useBodyNames()
  const say = (field: string, value: string) => {
    if (field === 'tenant') return names?.get(value) ?? value
    const prefix = codes[field]
    return prefix ? name(prefix, value) : value
  }
  return (
    <div className="flex flex-col gap-5">
      {facets.fields.map((f) => {
        const chosen = only.filter((o) => o.startsWith(f.name + '=')).map((o) => o.slice(f.name.length + 1))
        const values = [...f.values, ...chosen.filter((c) => !f.values.some((v) => v.value === c)).map((value) => ({ value, count: 0 }))]
        if (values.length === 0) return null
        return (
          <fieldset key={f.name} className="flex min-w-0 flex-col">
            <legend className="mb-1 font-700">{name('field.', f.name)}</legend>
            {values.slice(0, 8).map((v) => {
              const key = `${f.name}=${v.value}`
              return (
                <Checkbox
                  key={key}
                  checked={only.includes(key)}
                  onChange={(on) => onChange(on ? [...only, key] : only.filter((o) => o !== key))}
                >
                  <span className="flex justify-between gap-2">
                    <span className="min-w-0 wrap-anywhere">{say(f.name, v.value)}</span>
                    <span className="text-ink-2">{v.count.toLocaleString(language)}</span>
                  </span>
                </Checkbox>
              )
            })}
          </fieldset>
        )
      })}
    </div>
  )
}
