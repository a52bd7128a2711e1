import type { Page, Version } from '../api/types'
import type { Loaded } from '../api/useLoad'
import { Button } from '../part/Button'
import { Clock } from '../part/Clock'
import { Panel } from '../part/Panel'
import { State } from '../part/State'
import { Timeline } from '../part/Timeline'
import { moment } from '../text/format'
import { useText } from '../text/text'

interface Props {
  service: string
  load: Loaded<Page<Version>>
  canWrite: boolean
  onBack: (version: Version) => void
  onApprove: (version: Version) => void
}

/** An emergency that nobody has approved yet. */
const waits = (v: Version) => v.change.emergency && v.change.approve_by && !v.change.reference && !v.approval

/** Every version: what changed, who, by which number, and the way back. */
export function History({ service, load, canWrite, onBack, onApprove }: Props) {
  const { t, code, language } = useText()
  const summary = (v: Version) => {
    const fields = [...new Set(v.diff.map((d) => d.path.split('/')[1] ?? ''))].filter(Boolean)
    return fields
      .map((f) => code(`policy.${service}.`, f, undefined, f === 'mode' ? 'policy.mode' : 'policy.unknown'))
      .join(t('list.comma'))
  }
  return (
    <section aria-labelledby="history" className="flex flex-col gap-3">
      <h2 id="history" className="text-20 font-700">
        {t('history.title')}
      </h2>
      <Panel from={load} what={t('history.title')}>
        {(data) =>
          data.items.length === 0 ? (
            <p className="text-ink-2">{t('history.none')}</p>
          ) : (
            <Timeline
              moments={data.items.map((v) => ({
                key: String(v.version),
                now: v.current,
                time: (
                  <span className="flex flex-wrap items-center justify-between gap-x-3">
                    <strong className="text-ink">{t('history.version', { n: v.version })}</strong>
                    {v.current ? (
                      <State tone="ok">{t('history.current')}</State>
                    ) : (
                      canWrite && (
                        <button
                          type="button"
                          onClick={() => onBack(v)}
                          aria-label={t('history.back_to', { n: v.version })}
                          className="link min-h-9 max-md:min-h-12"
                        >
                          {t('history.back')}
                        </button>
                      )
                    )}
                  </span>
                ),
                body: (
                  <>
                    <p className="phrase">
                      {v.change.note || (summary(v) ? t('history.changed', { what: summary(v) }) : t('history.first'))}
                    </p>
                    <p className="text-14 text-ink-2">
                      {[v.change.at && moment(v.change.at, language), v.change.by, v.change.reference || v.approval?.reference].filter(Boolean).join(' ')}
                    </p>
                    {waits(v) && <Clock due={v.change.approve_by ?? ''} what={t('history.approval')} />}
                    {waits(v) && canWrite && (
                      <p className="pt-1">
                        <Button small onClick={() => onApprove(v)}>
                          {t('history.approve')}
                        </Button>
                      </p>
                    )}
                  </>
                ),
              }))}
            />
          )
        }
      </Panel>
    </section>
  )
}
