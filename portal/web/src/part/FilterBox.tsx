import { useEffect, useState } from 'react'
import { useText } from '../text/text'
import { Icon } from './Icon'

interface Props {
  label: string
  value: string
  onChange: (value: string) => void
}

/** Narrows a list on the server a moment after the last letter. */
export function FilterBox({ label, value, onChange }: Props) {
  const { t } = useText()
  const [typed, setTyped] = useState(value)
  useEffect(() => setTyped(value), [value])
  useEffect(() => {
    if (typed === value) return
    const timer = setTimeout(() => onChange(typed), 300)
    return () => clearTimeout(timer)
  }, [typed, value, onChange])
  return (
    <span className="relative w-full max-w-[400px]">
      <Icon name="search" size={18} className="absolute top-1/2 left-3 -translate-y-1/2 text-ink-2" />
      <input
        data-search
        aria-label={label}
        title={t('filter.hint')}
        placeholder={label}
        value={typed}
        onChange={(e) => setTyped(e.target.value)}
        className="control pl-10 placeholder:text-ink-3"
      />
    </span>
  )
}
