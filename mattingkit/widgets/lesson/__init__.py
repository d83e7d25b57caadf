"""Small widgets that the lessons use: a pixel picker, a flip book, an explorer over sliders."""
