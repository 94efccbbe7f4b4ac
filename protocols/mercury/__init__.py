"""Mercury 23x (Incotex «Меркурий 230/231/233/234/236/238, 203.2TD, 204, 208»): the maker's own binary protocol."""
