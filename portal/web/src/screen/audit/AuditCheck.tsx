import { useState } from 'react'
import { address, api } from '../../api/client'
import type { Verified } from '../../api/types'
import { Button } from '../../part/Button'
import { ErrorNote } from '../../part/ErrorNote'
import { Sign } from '../../part/Sign'
import { useSend } from '../../part/useSend'
import { moment } from '../../text/format'
import { useText } from '../../text/text'

/** Recounts the whole chain on request and says in one sentence whether a record was changed or taken out. */
export function AuditCheck({ tenant, name }: { tenant: string; name: string }) {
  const { t, language } = useText()
  const [found, setFound] = useState<Verified>()
  const { busy, problem, send } = useSend()
  const verify = () => send(async () => setFound((await api.get<Verified>(address('/audit/verify', { tenant }))).data))
  const broken = found && !found.ok
  return (
    <section aria-label={t('audit.check')} className="card flex flex-wrap items-center justify-between gap-4 p-5">
      <div role="status" className="min-w-[240px] flex-1">
        {problem ? (
          <ErrorNote problem={problem} what={t('audit.check_failed')} />
        ) : found ? (
          <>
            <p className={`flex items-center gap-2 font-700 ${broken ? 'text-red-900' : 'text-green-900'}`}>
              <Sign tone={broken ? 'urgent' : 'ok'} size={22} />
              {t(broken ? 'audit.broken' : 'audit.whole', { name })}
            </p>
            <p className="text-ink-2">
              {broken ? t('audit.broken_at', { n: found.first_broken ?? 0 }) : t('audit.whole_what', { n: found.records })}
              {found.signed_at && ` ${t('audit.signed', { time: moment(found.signed_at, language) })}`}
            </p>
          </>
        ) : (
          <>
            <p className="font-700">{t('audit.check_title', { name })}</p>
            <p className="text-ink-2">{t('audit.check_what')}</p>
          </>
        )}
      </div>
      <Button look={found ? 'outline' : 'primary'} busy={busy} onClick={() => void verify()}>
        {t(busy ? 'audit.checking' : found ? 'audit.check_again' : 'audit.check')}
      </Button>
    </section>
  )
}
