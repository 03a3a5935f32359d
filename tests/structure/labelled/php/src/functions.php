<?php

namespace Acme\Shop\Math {
    const PRECISION = 2;

    function total(array $items): float
    {
        return array_sum(array_map(fn ($item) => $item->price(), $items));
    }
}

namespace {
    require __DIR__ . '/helpers.php';
}
