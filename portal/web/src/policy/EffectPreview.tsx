import { useState } from 'react'
import type { Replay, Sample } from '../api/types'
import type { Problem } from '../api/problem'
import { Button } from '../part/Button'
import { ErrorNote } from '../part/ErrorNote'
import { Sign } from '../part/Sign'
import { Link } from '../route/Link'
import { day } from '../text/format'
import { useText } from '../text/text'

interface Props {
  replay: Replay | null | undefined
  busy: boolean
  problem: Problem | undefined
  changed: boolean
  /** The doubtful ones were looked at, which applying asks for. */
  seen: boolean
  onSeen: () => void
}

const doubtful = (s: Sample) => s.likely === 'legitimate' && s.direction === 'newly_blocked'

/** 変更の影響: what the draft would have done to the last seven days. */
export function EffectPreview({ replay, busy, problem, changed, seen, onSeen }: Props) {
  const { t, language } = useText()
  const [open, setOpen] = useState(false)
  const samples = replay?.samples ?? []
  const careful = samples.filter(doubtful)
  const clear = (replay?.newly_blocked ?? 0) - careful.length
  const row = (s: Sample) => (
    <li key={s.event_id} className="border-b border-hair py-2">
      <Link href={`/events/${s.event_id}`} className="link wrap-anywhere">
        {s.host}
        {s.path}
      </Link>
      <p className="text-14 text-ink-2 wrap-anywhere">{t('effect.sample', { source: s.source_ip, rules: (s.rules ?? []).join(', ') })}</p>
    </li>
  )
  return (
    <section aria-labelledby="effect" className="flex flex-col gap-3">
      <h2 id="effect" className="text-20 font-700">
        {t('effect.title')}
      </h2>
      {problem && <ErrorNote problem={problem} what={t('effect.failed')} />}
      {!changed && <p className="text-ink-2">{t('effect.nothing')}</p>}
      {changed && busy && (
        <p role="status" className="text-ink-2">
          {t('effect.busy')}
        </p>
      )}
      {changed && !busy && !problem && replay === null && <p className="text-ink-2">{t('effect.cannot')}</p>}
      {changed && replay && (
        <>
          <p className="text-ink-2">
            {t('effect.tried', { since: day(replay.since, language), n: replay.requests })}
            {replay.capped && ` ${t('effect.capped')}`}
            {replay.unknown > 0 && ` ${t('effect.unknown', { n: replay.unknown })}`}
          </p>
          <dl className="grid grid-cols-2 gap-4">
            {(['newly_blocked', 'no_longer_blocked'] as const).map((k) => (
              <div key={k} className="card px-4 py-3">
                <dt className="text-ink-2">{t('effect.' + k)}</dt>
                <dd>
                  <strong className="text-28">{replay[k].toLocaleString(language)}</strong> {t('number.unit')}
                </dd>
              </div>
            ))}
          </dl>
          {replay.newly_blocked > 0 && (
            <p className="flex flex-wrap gap-x-5">
              <span>{t('effect.attack', { n: clear })}</span>
              <span>{t('effect.doubtful', { n: careful.length })}</span>
            </p>
          )}
          {replay.no_longer_blocked > 0 && (
            <div className="flex flex-col gap-1">
              <p>{t('effect.passes')}</p>
              <ul>
                {samples
                  .filter((s) => s.direction === 'no_longer_blocked')
                  .slice(0, 5)
                  .map(row)}
              </ul>
            </div>
          )}
          {careful.length > 0 && (
            <div id="doubtful" tabIndex={-1} className="rounded-8 border border-orange-300 bg-white p-4">
              <p className="flex items-center gap-2 font-700">
                <span className="text-orange-1000">
                  <Sign tone="serious" />
                </span>
                {t('effect.doubtful_title', { n: careful.length })}
              </p>
              <p>{t('effect.doubtful_why')}</p>
              {open || seen ? (
                <ul>{careful.map(row)}</ul>
              ) : (
                <Button
                  small
                  look="text"
                  className="-ml-3"
                  onClick={() => {
                    setOpen(true)
                    onSeen()
                  }}
                >
                  {t('effect.look', { n: careful.length })}
                </Button>
              )}
            </div>
          )}
        </>
      )}
    </section>
  )
}
