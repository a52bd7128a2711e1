import { useText } from '../text/text'

/** Says on every page that this is an exercise. */
export function DrillBar() {
  const { t } = useText()
  return (
    <div role="status" className="drill-bar border-b border-hair px-5 py-2">
      <span className="rounded-4 bg-white px-2">
        <strong>{t('drill.word')}</strong>
        <span className="ml-2">{t('drill.meaning')}</span>
      </span>
    </div>
  )
}
