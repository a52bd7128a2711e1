import type { Layer } from '../api/types'
import { Icon } from '../part/Icon'
import type { IconName } from '../part/icons'
import { useText } from '../text/text'

const icons: Record<Layer, IconName> = { default: 'box', baseline: 'building', override: 'user' }
const looks: Record<Layer, string> = {
  default: 'border-edge text-ink-2',
  baseline: 'border-ink text-ink',
  override: 'border-blue-900 bg-blue-50 font-700 text-blue-900',
}

interface Props {
  layer: Layer
  /** The body whose own setting it may be. */
  body: string
  fixed?: boolean
  changed?: boolean
}

/** Which layer a value comes from; dashed while it is only on the screen. */
export function OriginChip({ layer, body, fixed = false, changed = false }: Props) {
  const { t } = useText()
  const name = layer === 'override' ? body : t('layer.' + layer)
  const icon = changed ? 'plus' : fixed ? 'lock' : icons[layer]
  return (
    <span
      className={`inline-flex items-center gap-1.5 rounded-full border px-2.5 text-14 ${changed ? 'border-dashed border-blue-900 font-700 text-blue-900' : looks[layer]}`}
    >
      <Icon name={icon} size={14} />
      {changed ? t('layer.changing', { name }) : fixed ? t('layer.fixed', { name }) : name}
    </span>
  )
}
