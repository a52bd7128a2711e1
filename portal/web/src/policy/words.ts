import type { Json } from '../api/types'
import type { Text } from '../text/text'
import type { FieldForm } from './forms'

/** A value of a field in the words of the form. */
export function sayValue(text: Text, service: string, field: FieldForm, value: Json): string {
  const { t, code } = text
  const prefix = `policy.${service}.${field.name}.`
  if (Array.isArray(value)) {
    if (field.kind === 'set')
      return value.length ? value.map((v) => code(prefix, String(v), undefined, 'policy.unknown')).join(', ') : t('policy.none')
    return t('policy.entries', { n: value.length })
  }
  if (typeof value === 'boolean') return t(value ? 'policy.yes' : 'policy.no')
  if (field.kind === 'choice') return code(prefix, String(value), undefined, 'policy.unknown')
  if (typeof value === 'number') return `${value.toLocaleString(text.language)}${code(prefix, 'unit', undefined, 'policy.no_unit')}`
  return String(value)
}
