import type { Part } from '../../api/types'
import { Section } from '../../part/Section'
import { State } from '../../part/State'
import { partTone } from '../operations/partTone'
import { useText } from '../../text/text'

/** The machine's own parts, in one glance. */
export function Parts({ parts }: { parts: Part[] }) {
  const { t, code } = useText()
  return (
    <Section title={t('parts.title')}>
      <ul className="card px-5">
        {parts.length === 0 && <li className="py-4 text-ink-2">{t('parts.none')}</li>}
        {parts.map((p) => (
          <li key={p.group} className="flex flex-wrap justify-between gap-x-3 border-hair py-3 not-last:border-b">
            <span>{code('parts.name.', p.group, undefined, p.group)}</span>
            <State tone={partTone[p.state]}>{t('parts.state.' + p.state)}</State>
          </li>
        ))}
      </ul>
    </Section>
  )
}
