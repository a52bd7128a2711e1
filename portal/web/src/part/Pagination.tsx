import { useText } from '../text/text'
import { Button } from './Button'

interface Props {
  shown: number
  total?: number | undefined
  more: boolean
  busy: boolean
  onMore: () => void
}

/** How many rows are on the screen, and the way to the next ones. */
export function Pagination({ shown, total, more, busy, onMore }: Props) {
  const { t } = useText()
  return (
    <div className="flex flex-wrap items-center justify-between gap-3 px-4 py-3 text-ink-2">
      <p role="status">{total !== undefined && total >= shown ? t('table.shown_of', { shown, total }) : t('table.shown', { shown })}</p>
      {more && (
        <Button small busy={busy} onClick={onMore}>
          {t(busy ? 'state.updating' : 'table.more')}
        </Button>
      )}
    </div>
  )
}
