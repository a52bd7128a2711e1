import type { Home } from '../../api/types'
import { ButtonLink } from '../../part/ButtonLink'
import { Page } from '../../part/Page'
import { Section } from '../../part/Section'
import { useText } from '../../text/text'
import { useSession } from '../../session/session'
import { AuditCheck } from '../audit/AuditCheck'
import { Bodies } from './Bodies'

/** An auditor's first page: where the evidence is, and whether it is whole. */
export function AuditorHome({ home, title }: { home: Home; title: string }) {
  const { t } = useText()
  const { me } = useSession()
  const places: { href: string; key: string }[] = [
    { href: '/audit', key: 'audit' },
    { href: '/events?since=24h', key: 'events' },
    ...(me.rooms.includes('operations') ? [{ href: '/operations/backups', key: 'backups' }] : []),
  ]
  return (
    <Page title={title}>
      <p className="max-w-[44em]">{t('auditor.what')}</p>
      <AuditCheck tenant={me.tenant.id} name={me.tenant.name} />
      <Section title={t('auditor.evidence')}>
        <ul className="card">
          {places.map((p) => (
            <li key={p.key} className="flex flex-wrap items-center justify-between gap-4 border-hair p-5 not-last:border-b">
              <div className="min-w-[200px] flex-1">
                <p className="font-700">{t(`auditor.${p.key}`)}</p>
                <p className="text-ink-2">{t(`auditor.${p.key}_what`)}</p>
              </div>
              <ButtonLink href={p.href}>{t(`auditor.${p.key}_open`)}</ButtonLink>
            </li>
          ))}
        </ul>
      </Section>
      {home.bodies && <Bodies bodies={home.bodies} />}
    </Page>
  )
}
