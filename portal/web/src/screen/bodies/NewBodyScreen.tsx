import { useState } from 'react'
import { api } from '../../api/client'
import type { Tenant } from '../../api/types'
import { Crumbs } from '../../part/Crumbs'
import { ErrorNote } from '../../part/ErrorNote'
import { KeyValues } from '../../part/KeyValues'
import { Page } from '../../part/Page'
import { useSend } from '../../part/useSend'
import { Wizard } from '../../part/Wizard'
import { useRouter } from '../../route/router'
import { useSession } from '../../session/session'
import { useText } from '../../text/text'
import { formOfTenant, missing, refused, tenantOf, type TenantErrors, type TenantForm } from './tenantForm'
import { TenantFields, type FieldGroup } from './TenantFields'

const groupOf: Partial<Record<keyof TenantForm, FieldGroup>> = {
  sources: 'where',
  hosts: 'where',
  mail_domains: 'where',
  section: 'contact',
  phone: 'contact',
  mail: 'contact',
}

/** Adds a body, four questions at a time. */
export function NewBodyScreen() {
  const text = useText()
  const { t } = text
  const { me } = useSession()
  const { go } = useRouter()
  const [form, setForm] = useState(() => formOfTenant())
  const [errors, setErrors] = useState<TenantErrors>({})
  const { busy, problem, send } = useSend()
  const wrong = { ...refused(problem, text), ...errors }
  const firstWrong = problem?.errors.length ? (Object.keys(refused(problem, text))[0] as keyof TenantForm | undefined) : undefined
  const fields = (group: FieldGroup) => (
    <TenantFields
      group={group}
      form={form}
      errors={wrong}
      isNew
      onChange={(next) => {
        setForm(next)
        setErrors({})
      }}
    />
  )
  const check = (group: FieldGroup) => () => {
    const found = missing(form, text)
    const here = Object.fromEntries(Object.entries(found).filter(([name]) => (groupOf[name as keyof TenantForm] ?? 'who') === group))
    setErrors(here)
    return Object.keys(here).length === 0
  }
  const shown = tenantOf(form, me.operator.id)
  return (
    <Page
      title={t('bodies.add')}
      above={
        <Crumbs
          trail={[
            { label: t('room.settings'), href: '/settings' },
            { label: t('bodies.title'), href: '/bodies' },
            { label: t('bodies.add') },
          ]}
        />
      }
    >
      {problem && <ErrorNote problem={problem} what={t('bodies.add_failed')} />}
      <Wizard
        finish={t('bodies.add_go')}
        busy={busy}
        at={firstWrong && (groupOf[firstWrong] ?? 'who')}
        onFinish={() =>
          void send(async () => {
            const { data } = await api.post<Tenant>('/tenants', shown)
            go(`/bodies/${data.id}`)
          })
        }
        steps={[
          { key: 'who', title: t('bodies.step.who'), body: fields('who'), check: check('who') },
          { key: 'where', title: t('bodies.step.where'), body: fields('where'), check: check('where') },
          { key: 'contact', title: t('bodies.step.contact'), body: fields('contact'), check: check('contact') },
          {
            key: 'sum',
            title: t('bodies.step.sum'),
            check: () => true,
            body: (
              <KeyValues
                rows={[
                  { key: 'id', label: t('tenant.id'), value: shown.id },
                  { key: 'name', label: t('tenant.name'), value: shown.name },
                  { key: 'kind', label: t('tenant.kind'), value: t('kind.' + shown.kind) },
                  { key: 'hosts', label: t('tenant.hosts'), value: (shown.hosts ?? []).join(', ') || t('policy.none') },
                  { key: 'mail', label: t('tenant.mail_domains'), value: (shown.mail_domains ?? []).join(', ') || t('policy.none') },
                  { key: 'sources', label: t('tenant.sources'), value: (shown.sources ?? []).join(', ') || t('policy.none') },
                  {
                    key: 'contact',
                    label: t('bodies.step.contact'),
                    value: [shown.contact.section, shown.contact.phone, shown.contact.mail].filter(Boolean).join(' ') || t('policy.none'),
                  },
                ]}
              />
            ),
          },
        ]}
      />
    </Page>
  )
}
