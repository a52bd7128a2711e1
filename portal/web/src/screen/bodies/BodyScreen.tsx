import type { Tenant } from '../../api/types'
import { useLoad } from '../../api/useLoad'
import { ButtonLink } from '../../part/ButtonLink'
import { Crumbs } from '../../part/Crumbs'
import { KeyValues } from '../../part/KeyValues'
import { Page } from '../../part/Page'
import { Panel } from '../../part/Panel'
import { Section } from '../../part/Section'
import { useSession } from '../../session/session'
import { useText } from '../../text/text'
import { UserTable } from '../users/UserTable'
import { PolicyLinks } from './PolicyLinks'

/** One body: what it owns, whom to call, its people and its settings. */
export function BodyScreen({ id }: { id: string }) {
  const { t, language } = useText()
  const { can, wide } = useSession()
  const load = useLoad<Tenant>(`/tenants/${encodeURIComponent(id)}`)
  const body = load.data
  const name = body ? (language === 'en' && body.name_en ? body.name_en : body.name) : id
  const root = wide ? { label: t('bodies.title'), href: '/bodies' } : { label: t('room.settings'), href: '/settings' }
  return (
    <Page
      title={name}
      above={<Crumbs trail={[root, { label: name }]} />}
      actions={
        <>
          {can('event.read') && (
            <ButtonLink href={`/events?tenant=${encodeURIComponent(id)}&since=24h`} icon="search">
              {t('body.events')}
            </ButtonLink>
          )}
          {can('tenant.write') && (
            <ButtonLink href={`/bodies/${id}/edit`} icon="pen">
              {t('body.edit')}
            </ButtonLink>
          )}
        </>
      }
    >
      <Panel from={load} what={name}>
        {(b) => (
          <div className="flex flex-col gap-8">
            <Section title={t('body.facts')}>
              <KeyValues
                rows={[
                  { key: 'id', label: t('tenant.id'), value: b.id },
                  { key: 'kind', label: t('tenant.kind'), value: t('kind.' + b.kind) },
                  { key: 'staff', label: t('tenant.staff'), value: b.staff ? t('body.people', { n: b.staff }) : '—' },
                  { key: 'hosts', label: t('tenant.hosts'), value: (b.hosts ?? []).join(', ') || '—' },
                  { key: 'mail', label: t('tenant.mail_domains'), value: (b.mail_domains ?? []).join(', ') || '—' },
                  { key: 'sources', label: t('tenant.sources'), value: (b.sources ?? []).join(', ') || '—' },
                  {
                    key: 'contact',
                    label: t('bodies.step.contact'),
                    value: [b.contact.section, b.contact.phone, b.contact.mail].filter(Boolean).join(' ') || '—',
                  },
                ]}
              />
            </Section>
            {can('policy.read') && (
              <Section title={t('body.policies')}>
                <PolicyLinks tenant={b.id} baseline={b.id === b.operator} />
              </Section>
            )}
            {can('user.read') && <UserTable tenant={b.id} />}
          </div>
        )}
      </Panel>
    </Page>
  )
}
