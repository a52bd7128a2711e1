import { SelectField } from '../../part/SelectField'
import { TextField } from '../../part/TextField'
import { useText } from '../../text/text'
import { kinds, type TenantErrors, type TenantForm } from './tenantForm'

export type FieldGroup = 'who' | 'where' | 'contact'

interface Props {
  group: FieldGroup
  form: TenantForm
  errors: TenantErrors
  /** The code of a body that exists cannot change. */
  isNew: boolean
  onChange: (form: TenantForm) => void
}

/** The questions about a body, in three groups. */
export function TenantFields({ group, form, errors, isNew, onChange }: Props) {
  const { t } = useText()
  const set = (name: keyof TenantForm) => (value: string) => onChange({ ...form, [name]: value })
  const field = (name: keyof TenantForm, more: Partial<Parameters<typeof TextField>[0]> = {}) => (
    <TextField
      label={t('tenant.' + name)}
      help={t(`tenant.${name}.help`)}
      value={form[name]}
      onChange={set(name)}
      error={errors[name]}
      {...more}
    />
  )
  if (group === 'who') {
    return (
      <>
        {isNew && field('id', { required: true, maxLength: 34 })}
        {field('name', { required: true })}
        {field('name_en')}
        <SelectField
          label={t('tenant.kind')}
          value={form.kind}
          onChange={set('kind')}
          options={kinds.map((k) => ({ value: k, label: t('kind.' + k) }))}
          required
          error={errors.kind}
        />
        {field('staff', { inputMode: 'numeric' })}
      </>
    )
  }
  if (group === 'where') {
    return (
      <>
        {field('hosts', { rows: 3, mono: true })}
        {field('mail_domains', { rows: 2, mono: true })}
        {field('sources', { rows: 3, mono: true })}
      </>
    )
  }
  return (
    <>
      {field('section')}
      {field('phone', { type: 'tel' })}
      {field('mail', { type: 'email' })}
    </>
  )
}
