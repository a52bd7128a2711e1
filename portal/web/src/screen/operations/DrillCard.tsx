import type { Backups } from '../../api/types'
import { Sign } from '../../part/Sign'
import { moment } from '../../text/format'
import { useText } from '../../text/text'

/** Whether the newest backup came back the last time it was tried, how fast and how fresh. */
export function DrillCard({ drill }: { drill: Backups['last_drill'] }) {
  const { t, language } = useText()
  if (!drill) {
    return (
      <section aria-label={t('drill.card')} className="card p-5">
        <p className="flex items-center gap-2 font-700 text-yellow-1100">
          <Sign tone="notice" size={22} />
          {t('drill.never')}
        </p>
        <p className="text-ink-2">{t('drill.never_why')}</p>
      </section>
    )
  }
  const span = (seconds: number) =>
    seconds < 120 ? t('clock.seconds', { n: Math.round(seconds) }) : t('clock.whole_minutes', { n: Math.round(seconds / 60) })
  return (
    <section aria-label={t('drill.card')} className="card flex flex-col gap-1 p-5">
      <p className={`flex items-center gap-2 font-700 ${drill.ok ? 'text-green-900' : 'text-red-900'}`}>
        <Sign tone={drill.ok ? 'ok' : 'urgent'} size={22} />
        {t(drill.ok ? 'drill.ok' : 'drill.failed', { time: moment(drill.time, language) })}
      </p>
      <p className="text-ink-2">{t('drill.figures', { rto: span(drill.rto_s), rpo: span(drill.rpo_s), n: drill.checked })}</p>
    </section>
  )
}
