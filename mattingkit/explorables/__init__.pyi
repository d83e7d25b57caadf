from .pages import embed_html as embed_html
from .pages import names as names
from .pages import page_html as page_html
from .views import UnmixPixel as UnmixPixel
