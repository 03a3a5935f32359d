<?php

class Acme_Template_Engine extends Acme_Template_Base
{
    public function render($file, array $values)
    {
        extract($values);
        include $file;
    }
}
