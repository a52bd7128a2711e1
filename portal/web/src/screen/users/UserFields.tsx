import { SelectField } from '../../part/SelectField'
import { TextField } from '../../part/TextField'
import { useText } from '../../text/text'
import type { Role } from '../../api/types'
import { rolesFor, type UserErrors, type UserForm } from './userForm'

interface Props {
  form: UserForm
  errors: UserErrors
  isNew: boolean
  isOperator: boolean
  onChange: (form: UserForm) => void
}

export function UserFields({ form, errors, isNew, isOperator, onChange }: Props) {
  const { t } = useText()
  const set = (name: keyof UserForm) => (value: string) => onChange({ ...form, [name]: value })
  const roles = rolesFor(isOperator)
  return (
    <>
      {isNew && (
        <TextField
          label={t('user.login')}
          help={t('user.login_help')}
          value={form.login}
          onChange={set('login')}
          error={errors.login}
          required
          autoComplete="off"
          maxLength={64}
        />
      )}
      <TextField label={t('user.name')} value={form.name} onChange={set('name')} error={errors.name} required maxLength={80} />
      <TextField
        label={t('user.section')}
        help={t('user.section_help')}
        value={form.section}
        onChange={set('section')}
        error={errors.section}
        maxLength={80}
      />
      <SelectField
        label={t('user.role')}
        help={t('role.help.' + form.role)}
        value={form.role}
        onChange={(v) => onChange({ ...form, role: v as Role })}
        options={(roles.includes(form.role) ? roles : [form.role, ...roles]).map((r) => ({ value: r, label: t('role.' + r) }))}
        error={errors.role}
        required
      />
      <TextField
        label={t('user.expires')}
        help={t('user.expires_help')}
        type="date"
        value={form.expires}
        onChange={set('expires')}
        error={errors.expires}
        required={form.role === 'vendor'}
      />
    </>
  )
}
