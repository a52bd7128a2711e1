import type { NumberValue } from '../api/types'
import { Link } from '../route/Link'
import { bigNumber, bigRange } from '../text/format'
import { useText } from '../text/text'
import { Icon } from './Icon'
import type { IconName } from './icons'
import { State } from './State'
import { UsualBand } from './UsualBand'

const drawings: Record<string, IconName> = { web_attacks: 'shield', web_requests: 'window', requests: 'window', blocked: 'shield' }

/** One figure of today beside its usual value; the whole card leads to its rows. */
export function NumberCard({ number, framed = true }: { number: NumberValue; framed?: boolean }) {
  const { t, code, language } = useText()
  const big = bigNumber(number.value, language)
  const unit = code('number.unit.', number.id, undefined, 'number.unit')
  const usual = number.usual
  const outside = usual ? (number.value > usual.high ? 'high' : number.value < usual.low ? 'low' : '') : ''
  const band = usual && bigRange(usual.low, usual.high, language)
  const range = band && t('number.usual', { low: band.low, high: band.high, unit: (band.scale && t(band.scale)) + unit })
  const attack = number.id.includes('attack') || number.id.includes('blocked')
  const body = (
    <>
      <span className="flex items-center gap-2 text-ink-2">
        <Icon name={drawings[number.id] ?? 'bars'} size={18} />
        {code('number.name.', number.id, undefined, 'number.name')}
      </span>
      <span className="flex flex-wrap items-end justify-between gap-x-3">
        <span title={`${big.exact} ${unit}`}>
          <strong className="text-32 font-700">{big.number}</strong>
          <span className="ml-1">
            {big.scale && t(big.scale)}
            {unit}
          </span>
        </span>
        {usual && (
          <span className="pb-1">
            {outside ? (
              <State tone={attack || outside === 'low' ? 'serious' : 'notice'}>{t('number.' + outside)}</State>
            ) : (
              <span className="text-ink-2">{t('number.normal')}</span>
            )}
          </span>
        )}
      </span>
      {usual ? (
        <>
          <UsualBand value={number.value} low={usual.low} high={usual.high} outside={outside !== ''} />
          <span className="text-ink-2">{range}</span>
        </>
      ) : (
        <span className="phrase text-ink-2">{t('number.collecting', { days: number.usual_days_left ?? 28 })}</span>
      )}
    </>
  )
  const look = `flex flex-col gap-1.5 p-5 ${framed ? 'card' : ''}`
  return number.href ? (
    <Link href={number.href} className={`${look} hover:bg-side`}>
      {body}
    </Link>
  ) : (
    <div className={look}>{body}</div>
  )
}
