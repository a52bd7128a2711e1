import { useState } from 'react'
import { api } from '../../api/client'
import type { Enrolment } from '../../api/types'
import { Button } from '../../part/Button'
import { CopyButton } from '../../part/CopyButton'
import { ErrorNote } from '../../part/ErrorNote'
import { Section } from '../../part/Section'
import { State } from '../../part/State'
import { TextField } from '../../part/TextField'
import { useSend } from '../../part/useSend'
import { useSession } from '../../session/session'
import { useText } from '../../text/text'
import { OneTime } from '../users/OneTime'

/** Sets the second factor up with a telephone, or ends it. */
export function SecondFactor() {
  const { t } = useText()
  const { me, reload } = useSession()
  const [enrolment, setEnrolment] = useState<Enrolment>()
  const [recovery, setRecovery] = useState<string[]>()
  const [ending, setEnding] = useState(false)
  const [code, setCode] = useState('')
  const { busy, problem, send } = useSend()
  const digits = code.replace(/\s/g, '')
  const confirm = () =>
    send(async () => {
      const { data } = await api.put<{ recovery: string[] }>('/session/totp', { code: digits })
      setRecovery(data.recovery)
      setEnrolment(undefined)
      setCode('')
      reload()
    })
  const end = () =>
    send(async () => {
      await api.remove('/session/totp', { code: digits })
      setEnding(false)
      setCode('')
      reload()
    })
  const ask = (verb: string, go: () => Promise<void>) => (
    <form
      className="flex flex-col gap-4"
      onSubmit={(e) => {
        e.preventDefault()
        if (digits) void go()
      }}
    >
      <TextField label={t('login.code')} value={code} onChange={setCode} required inputMode="numeric" autoComplete="one-time-code" />
      <div>
        <Button type="submit" look="primary" busy={busy}>
          {verb}
        </Button>
      </div>
    </form>
  )
  return (
    <Section title={t('totp.title')}>
      {recovery && <OneTime label={t('totp.recovery')} secret={recovery.join(' ')} how={t('totp.recovery_how')} />}
      <div className="card flex flex-col gap-5 p-6 max-md:p-4">
        <State tone={me.user.totp ? 'ok' : 'notice'}>{t(me.user.totp ? 'totp.on' : 'totp.off')}</State>
        {problem && <ErrorNote problem={problem} />}
        {!me.user.totp && !enrolment && (
          <>
            <p className="text-ink-2">{t('totp.why')}</p>
            <div>
              <Button
                look="primary"
                icon="phone"
                busy={busy}
                onClick={() => void send(async () => setEnrolment((await api.post<Enrolment>('/session/totp')).data))}
              >
                {t('totp.begin')}
              </Button>
            </div>
          </>
        )}
        {enrolment && (
          <>
            <p>{t('totp.scan')}</p>
            <img src={enrolment.qr} alt={t('totp.qr')} width={200} height={200} className="size-[200px] border border-hair" />
            <div className="flex flex-wrap items-center gap-3">
              <span>
                {t('totp.secret')} <strong className="font-mono wrap-anywhere select-all">{enrolment.secret}</strong>
              </span>
              <CopyButton text={enrolment.secret} />
            </div>
            {ask(t('totp.confirm'), confirm)}
          </>
        )}
        {me.user.totp && !ending && (
          <div>
            <Button onClick={() => setEnding(true)}>{t('totp.end')}</Button>
          </div>
        )}
        {me.user.totp && ending && (
          <>
            <p>{t('totp.end_what')}</p>
            {ask(t('totp.end_go'), end)}
          </>
        )}
      </div>
    </Section>
  )
}
