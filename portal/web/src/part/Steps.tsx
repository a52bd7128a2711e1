import { Fragment } from 'react'
import { useText } from '../text/text'
import { Icon } from './Icon'

/** 起案 — 承認 — 実施: done has a tick, now is bold and underlined. */
export function Steps({ steps, now }: { steps: string[]; now: number }) {
  const { t } = useText()
  return (
    <ol aria-label={t('steps.label')} className="flex flex-wrap items-center gap-x-3 gap-y-1">
      {steps.map((s, i) => (
        <Fragment key={s}>
          {i > 0 && (
            <li aria-hidden="true" className="text-ink-3">
              —
            </li>
          )}
          <li
            aria-current={i === now ? 'step' : undefined}
            className={`inline-flex items-center gap-1 ${i === now ? 'border-b-2 border-blue-900 font-700 text-blue-900' : i < now ? '' : 'text-ink-3'}`}
          >
            {i < now && <Icon name="tick" size={16} />}
            {s}
            {i < now && <span className="sr-only">{t('steps.done')}</span>}
          </li>
        </Fragment>
      ))}
    </ol>
  )
}
