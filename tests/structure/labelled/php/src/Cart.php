<?php

/*
 * This file is part of the shop.
 */

declare(strict_types=1);

namespace Acme\Shop;

use Acme\Money\Amount;
use Acme\Shop\Model\{Item, Product as Goods};
use Countable;
use function Acme\Shop\Math\total;
use const Acme\Shop\Math\PRECISION;

/**
 * What a customer is about to buy.
 */
final class Cart implements Countable, Model\HasTotal
{
    use Support\Listens;

    /** @var list<Item> */
    private array $items = [];

    public function add(Goods $goods, int $count = 1): void
    {
        $this->items[] = new Item($goods, $count);
        $this->changed();
    }

    public function count(): int
    {
        return \count($this->items);
    }

    public function total(): Amount
    {
        return new Amount(round(total($this->items), PRECISION));
    }
}
