import type { BodyState, ClockEntry } from '../../api/types'
import { Clock } from '../../part/Clock'
import { Section } from '../../part/Section'
import { Link } from '../../route/Link'
import { useText } from '../../text/text'
import { internal } from './internal'

/** 期限の時計: work with a time limit, the nearest first. */
export function Clocks({ clocks, bodies }: { clocks: ClockEntry[]; bodies: BodyState[] }) {
  const { t, code } = useText()
  return (
    <Section title={t('clocks.title')}>
      <ul className="card px-5">
        {clocks.length === 0 && <li className="py-4 text-ink-2">{t('clocks.none')}</li>}
        {clocks.map((c) => {
          const what = code('clocks.', c.code, undefined, 'todo.what.other')
          return (
            <li key={c.id} className="flex flex-col gap-1 border-hair py-3 not-last:border-b">
              <Link href={internal(c.href)} className="link">
                {bodies.find((b) => b.tenant === c.tenant)?.name ?? c.tenant} {what}
              </Link>
              <Clock due={c.due} what={what} />
            </li>
          )
        })}
      </ul>
    </Section>
  )
}
