import { useState } from 'react'
import { api } from '../../api/client'
import type { User } from '../../api/types'
import { Button } from '../../part/Button'
import { ButtonLink } from '../../part/ButtonLink'
import { Crumbs } from '../../part/Crumbs'
import { ErrorNote } from '../../part/ErrorNote'
import { Page } from '../../part/Page'
import { useSend } from '../../part/useSend'
import { useSession } from '../../session/session'
import { useText } from '../../text/text'
import { useBodyNames } from '../bodies/useBodyNames'
import { OneTime } from './OneTime'
import { UserFields } from './UserFields'
import { formOfUser, missing, refused, userOf, type UserErrors } from './userForm'

interface Created {
  user: User
  password: string
}

/** Adds an account; its first password stands on the screen once. */
export function NewUserScreen({ tenant }: { tenant: string }) {
  const text = useText()
  const { t } = text
  const { me } = useSession()
  const names = useBodyNames()
  const [form, setForm] = useState(() => formOfUser())
  const [errors, setErrors] = useState<UserErrors>({})
  const [made, setMade] = useState<Created>()
  const { busy, problem, send } = useSend()
  const name = names?.get(tenant) ?? (tenant === me.tenant.id ? me.tenant.name : tenant)
  const add = async () => {
    const found = missing(form, text)
    setErrors(found)
    if (Object.keys(found).length > 0) return
    await send(async () => setMade((await api.post<Created>(`/tenants/${encodeURIComponent(tenant)}/users`, userOf(form))).data))
  }
  return (
    <Page
      title={t('users.add')}
      above={
        <Crumbs
          trail={[{ label: t('room.settings'), href: '/settings' }, { label: name, href: `/bodies/${tenant}` }, { label: t('users.add') }]}
        />
      }
    >
      {made ? (
        <>
          <p>{t('users.made', { name: made.user.name, login: made.user.login })}</p>
          <OneTime label={t('users.first_password')} secret={made.password} how={t('users.hand_over')} />
          <div className="flex flex-wrap gap-3">
            <ButtonLink href={`/bodies/${tenant}`} look="primary">
              {t('users.back')}
            </ButtonLink>
            <Button
              onClick={() => {
                setMade(undefined)
                setForm(formOfUser())
              }}
            >
              {t('users.another')}
            </Button>
          </div>
        </>
      ) : (
        <form
          noValidate
          className="flex max-w-[720px] flex-col gap-6"
          onSubmit={(e) => {
            e.preventDefault()
            void add()
          }}
        >
          {problem && <ErrorNote problem={problem} what={t('users.add_failed')} />}
          <div className="card flex flex-col gap-5 p-6 max-md:p-4">
            <UserFields
              form={form}
              errors={{ ...refused(problem, text), ...errors }}
              isNew
              isOperator={tenant === me.operator.id}
              onChange={setForm}
            />
          </div>
          <div>
            <Button type="submit" look="primary" busy={busy}>
              {t('users.add_go')}
            </Button>
          </div>
        </form>
      )}
    </Page>
  )
}
