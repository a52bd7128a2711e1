import { useState } from 'react'
import { api } from '../../api/client'
import type { Tenant } from '../../api/types'
import { Button } from '../../part/Button'
import { ButtonLink } from '../../part/ButtonLink'
import { ErrorNote } from '../../part/ErrorNote'
import { Section } from '../../part/Section'
import { useSend } from '../../part/useSend'
import { useRouter } from '../../route/router'
import { useText } from '../../text/text'
import { formOfTenant, missing, refused, tenantOf, type TenantErrors } from './tenantForm'
import { TenantFields } from './TenantFields'

const groups = ['who', 'where', 'contact'] as const

export function EditBodyForm({ body, etag }: { body: Tenant; etag: string }) {
  const text = useText()
  const { t } = text
  const { go } = useRouter()
  const [form, setForm] = useState(() => formOfTenant(body))
  const [errors, setErrors] = useState<TenantErrors>({})
  const { busy, problem, send } = useSend()
  const save = async () => {
    const found = missing(form, text)
    setErrors(found)
    if (Object.keys(found).length > 0) return
    await send(async () => {
      await api.put(`/tenants/${encodeURIComponent(body.id)}`, tenantOf(form, body.operator), etag)
      go(`/bodies/${body.id}`)
    })
  }
  return (
    <form
      noValidate
      className="flex max-w-[720px] flex-col gap-7"
      onSubmit={(e) => {
        e.preventDefault()
        void save()
      }}
    >
      {problem && <ErrorNote problem={problem} what={t('bodies.save_failed')} />}
      {groups.map((g) => (
        <Section key={g} title={t('bodies.step.' + g)}>
          <div className="card flex flex-col gap-5 p-6 max-md:p-4">
            <TenantFields group={g} form={form} errors={{ ...refused(problem, text), ...errors }} isNew={false} onChange={setForm} />
          </div>
        </Section>
      ))}
      <div className="flex flex-wrap gap-3 max-md:flex-col">
        <Button type="submit" look="primary" busy={busy}>
          {t('bodies.save')}
        </Button>
        <ButtonLink href={`/bodies/${body.id}`}>{t('action.leave')}</ButtonLink>
      </div>
    </form>
  )
}
