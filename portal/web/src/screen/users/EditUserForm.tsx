import { useState } from 'react'
import { api } from '../../api/client'
import type { User } from '../../api/types'
import { Button } from '../../part/Button'
import { Checkbox } from '../../part/Checkbox'
import { ErrorNote } from '../../part/ErrorNote'
import { useSend } from '../../part/useSend'
import { useSession } from '../../session/session'
import { useText } from '../../text/text'
import { UserFields } from './UserFields'
import { formOfUser, missing, refused, userOf, type UserErrors } from './userForm'

interface Props {
  user: User
  etag: string
  path: string
  onSaved: () => void
}

export function EditUserForm({ user, etag, path, onSaved }: Props) {
  const text = useText()
  const { t } = text
  const { me } = useSession()
  const [form, setForm] = useState(() => formOfUser(user))
  const [off, setOff] = useState(user.disabled)
  const [errors, setErrors] = useState<UserErrors>({})
  const { busy, problem, send } = useSend()
  const save = async () => {
    const found = missing(form, text)
    setErrors(found)
    if (Object.keys(found).length > 0) return
    await send(async () => {
      const { login: _, ...rest } = userOf(form)
      await api.put(path, { ...rest, ...(off ? { disabled: true } : {}) }, etag)
      onSaved()
    })
  }
  return (
    <form
      noValidate
      className="card flex flex-col gap-5 p-6 max-md:p-4"
      onSubmit={(e) => {
        e.preventDefault()
        void save()
      }}
    >
      {problem && <ErrorNote problem={problem} what={t('bodies.save_failed')} />}
      <UserFields
        form={form}
        errors={{ ...refused(problem, text), ...errors }}
        isNew={false}
        isOperator={user.tenant === me.operator.id}
        onChange={setForm}
      />
      <Checkbox checked={off} onChange={setOff}>
        {t('user.disable')}
      </Checkbox>
      <div>
        <Button type="submit" look="primary" busy={busy}>
          {t('user.save')}
        </Button>
      </div>
    </form>
  )
}
