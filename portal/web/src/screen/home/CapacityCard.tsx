import type { Capacity } from '../../api/types'
import { Link } from '../../route/Link'
import { Section } from '../../part/Section'
import { Sign } from '../../part/Sign'
import { size } from '../../text/format'
import { useText } from '../../text/text'

const tight = 0.75

/** 余裕: what fills up, and when it will be full. */
export function CapacityCard({ capacity }: { capacity: Capacity[] }) {
  const { t, code, language } = useText()
  return (
    <Section
      title={t('capacity.title')}
      actions={
        <Link href="/operations" className="link">
          {t('capacity.open')}
        </Link>
      }
    >
      <div className="card flex flex-col px-5">
        {capacity.length === 0 && <p className="py-4 text-ink-2">{t('capacity.none')}</p>}
        {capacity.map((c) => {
          const share = c.total > 0 ? c.used / c.total : 0
          const full = share >= tight
          return (
            <div key={c.id} className="flex flex-col gap-1 border-hair py-4 not-last:border-b">
              <div className="flex justify-between gap-3">
                <span>{code('capacity.name.', c.id, undefined, 'capacity.name.other')}</span>
                <span className={`flex items-center gap-1.5 font-700 ${full ? 'text-orange-1000' : ''}`}>
                  {full && <Sign tone="serious" />}
                  {(share * 100).toLocaleString(language, { maximumFractionDigits: share < 0.01 ? 2 : 0 })}%
                </span>
              </div>
              <svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" className="h-2 w-full rounded-full">
                <path d="M0 4h100" stroke="#e6e6e6" strokeWidth="8" />
                <path d={`M0 4h${Math.min(100, Math.max(share * 100, 0.5))}`} stroke={full ? '#c74700' : '#7f7f7f'} strokeWidth="8" />
              </svg>
              <span className="text-14 text-ink-2">
                {size(c.used, language)} / {size(c.total, language)}
                {c.days_left !== undefined && ` ${t('capacity.days', { n: c.days_left })}`}
              </span>
            </div>
          )
        })}
      </div>
    </Section>
  )
}
