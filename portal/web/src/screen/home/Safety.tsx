import type { Home, HomeService } from '../../api/types'
import { Icon } from '../../part/Icon'
import type { IconName } from '../../part/icons'
import { Sign, type Tone } from '../../part/Sign'
import { State } from '../../part/State'
import { useText } from '../../text/text'
import { ago } from './ago'

const icons: Record<string, IconName> = { internet: 'globe', mail: 'mail', web: 'window', endpoint: 'laptop', backup: 'database' }
const tones: Record<HomeService['state'], Tone> = { ok: 'ok', watch: 'serious', act: 'urgent', unknown: 'notice', not_built: 'none' }
const answers: Record<string, Tone> = { safe: 'ok', watch: 'serious', act: 'urgent', unknown: 'notice' }
const answerColour: Record<string, string> = { safe: '', watch: 'text-orange-1000', act: 'text-red-900', unknown: 'text-yellow-1100' }

/** いま安全か: one answer, why, the five services, and how old the check is. */
export function Safety({ home, now }: { home: Home; now: number }) {
  const { t, code } = useText()
  // Nothing is broken, but something is not as it is to be: that is not safe either.
  const watch = home.answer === 'safe' && (home.services ?? []).some((s) => s.state === 'watch')
  const answer = watch ? 'watch' : (home.answer ?? 'unknown')
  const unwatched = (home.services ?? []).filter((s) => s.state === 'not_built').map((s) => t('service.' + s.id))
  return (
    <section aria-labelledby="safety" className="card">
      <div className="flex flex-wrap items-center gap-x-5 gap-y-2 p-7 max-md:p-4">
        <span className={`${answerColour[answer]} max-md:hidden`}>
          <Sign tone={answers[answer] ?? 'notice'} size={48} />
        </span>
        <div className="min-w-[260px] flex-1">
          <p className="text-ink-2">{t('home.safe_question')}</p>
          <h2 id="safety" className="text-28 font-700">
            {t('home.answer.' + (answer === 'safe' && unwatched.length > 0 ? 'safe_partly' : answer))}
          </h2>
          <p className="phrase text-ink-2">
            {code('home.reason.', home.reason_code, home.args, 'home.reason.other_' + (home.answer ?? 'unknown'))}
            {unwatched.length > 0 && t('list.sentence') + t('home.unwatched', { what: unwatched.join(t('list.comma')) })}
          </p>
        </div>
        <p className="self-center text-ink-2">{t('home.checked', { ago: ago(home.checked_at, now, t) })}</p>
      </div>
      <ul aria-label={t('home.services')} className="grid grid-cols-5 border-t border-hair max-lg:grid-cols-1">
        {(home.services ?? []).map((s) => (
          <li
            key={s.id}
            className="flex flex-col gap-1 border-hair px-5 py-4 not-last:border-r max-lg:flex-row max-lg:flex-wrap max-lg:justify-between max-lg:gap-x-4 max-lg:py-3 max-lg:not-last:border-r-0 max-lg:not-last:border-b"
          >
            <span className="flex items-center gap-2 text-ink-2">
              <Icon name={icons[s.id] ?? 'box'} size={18} />
              {t('service.' + s.id)}
            </span>
            <State tone={tones[s.state]}>{code('home.service.', s.text_code, s.args, 'home.state.' + s.state)}</State>
          </li>
        ))}
      </ul>
    </section>
  )
}
