import type { Found } from '../../api/types'
import { useLoad } from '../../api/useLoad'
import { EmptyState } from '../../part/EmptyState'
import { Panel } from '../../part/Panel'
import { Section } from '../../part/Section'
import { Link } from '../../route/Link'
import { clockTime, day, sameDay } from '../../text/format'
import { useText } from '../../text/text'
import { Outcome } from '../events/Outcome'

const latest = '/events?service=waf&since=7d&limit=3'
const all = '/events?service=waf&since=7d'

/** The last attacks on the body's site, each a link to its record. */
export function RecentStops() {
  const { t, code, language } = useText()
  const found = useLoad<Found>(latest, 30_000)
  return (
    <Section
      title={t('recent.title')}
      actions={
        <Link href={all} className="link">
          {t('recent.all')}
        </Link>
      }
    >
      <div className="card">
        <Panel from={found} what={t('recent.title')}>
          {(data) =>
            data.events.length === 0 ? (
              <EmptyState title={t('recent.none')}>{t('recent.none_why')}</EmptyState>
            ) : (
              <ul>
                {data.events.map((e) => (
                  <li
                    key={e['event.id']}
                    className="flex flex-wrap items-start justify-between gap-x-4 border-hair px-5 py-3.5 not-last:border-b"
                  >
                    <div className="min-w-[180px] flex-1">
                      <Link href={`/events/${e['event.id']}`} className="link phrase font-700">
                        {code('attack.', e['rule.category'], undefined, 'attack.other')}
                      </Link>
                      <p className="text-ink-2">
                        {!sameDay(e._time ?? '', Date.now()) && day(e._time ?? '', language)} {clockTime(e._time ?? '')}{' '}
                        <span className="wrap-anywhere">{e['url.path']}</span>
                      </p>
                    </div>
                    <Outcome event={e} />
                  </li>
                ))}
              </ul>
            )
          }
        </Panel>
      </div>
    </Section>
  )
}
