import { useText } from '../text/text'
import { Sign } from './Sign'

export type Severity = 'urgent' | 'serious' | 'notice' | 'info' | 'ok'

const look: Record<Severity, string> = {
  urgent: 'bg-red-900 text-white border-red-900 font-700',
  serious: 'bg-orange-50 text-orange-1000 border-orange-300 font-700',
  notice: 'bg-yellow-50 text-yellow-1100 border-yellow-700 font-700',
  info: 'bg-white text-ink-2 border-edge',
  ok: 'bg-white text-green-900 border-green-800',
}

/** Severity as shape, word and colour. */
export function Badge({ severity }: { severity: Severity }) {
  const { t } = useText()
  return (
    <span className={`inline-flex shrink-0 items-center gap-1 rounded-4 border px-2 text-14 whitespace-nowrap ${look[severity]}`}>
      <Sign tone={severity} size={16} />
      {t('severity.' + severity)}
    </span>
  )
}
